// SPDX-License-Identifier: EUPL-1.2

// Command oracle is the second opinion on the log formats: it verifies a bundle that the Rust test wrote, with the
// note and tlog packages of the Go project, and writes a bundle of its own for the Rust test to verify.
//
// Usage: oracle <bundle to verify> <bundle to write>
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index int64    `json:"index"`
	Size  int64    `json:"size"`
	Proof []string `json:"proof"`
}

type consistency struct {
	Old   int64    `json:"old"`
	New   int64    `json:"new"`
	Proof []string `json:"proof"`
}

type growth struct {
	Old   int64    `json:"old"`
	New   int64    `json:"new"`
	Tiles []string `json:"tiles"`
}

type bundle struct {
	VKey        string            `json:"vkey"`
	WitnessVKey string            `json:"witness_vkey"`
	WitnessTime uint64            `json:"witness_time"`
	Note        string            `json:"note"`
	NoteText    string            `json:"note_text"`
	Checkpoint  string            `json:"checkpoint"`
	Entries     []string          `json:"entries"`
	Roots       []string          `json:"roots"`
	Tiles       map[string]string `json:"tiles"`
	Bundles     map[string]string `json:"bundles"`
	Growth      []growth          `json:"growth"`
	Inclusion   []inclusion       `json:"inclusion"`
	Consistency []consistency     `json:"consistency"`
}

func main() {
	if len(os.Args) != 3 {
		fail(errors.New("usage: oracle <bundle to verify> <bundle to write>"))
	}
	raw, err := os.ReadFile(os.Args[1])
	fail(err)
	var theirs bundle
	fail(json.Unmarshal(raw, &theirs))
	hashes, entries, err := verify(&theirs)
	fail(err)
	ours, err := produce(hashes, entries, theirs.Inclusion, theirs.Consistency)
	fail(err)
	raw, err = json.Marshal(ours)
	fail(err)
	fail(os.WriteFile(os.Args[2], raw, 0o600))
	fmt.Println("oracle: verified")
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func verify(b *bundle) (tlog.HashReader, [][]byte, error) {
	verifier, err := note.NewVerifier(b.VKey)
	if err != nil {
		return nil, nil, fmt.Errorf("vkey: %w", err)
	}
	opened, err := note.Open([]byte(b.Note), note.VerifierList(verifier))
	if err != nil {
		return nil, nil, fmt.Errorf("note: %w", err)
	}
	if opened.Text != b.NoteText {
		return nil, nil, errors.New("note: another text")
	}

	var entries [][]byte
	for _, encoded := range b.Entries {
		entry, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, nil, err
		}
		entries = append(entries, entry)
	}
	hashes, err := store(entries)
	if err != nil {
		return nil, nil, err
	}
	if len(b.Roots) != len(entries) {
		return nil, nil, errors.New("one root per size expected")
	}
	roots := make([]tlog.Hash, len(entries)+1)
	for n := 1; n <= len(entries); n++ {
		if roots[n], err = tlog.TreeHash(int64(n), hashes); err != nil {
			return nil, nil, err
		}
		if roots[n].String() != b.Roots[n-1] {
			return nil, nil, fmt.Errorf("root of size %d differs", n)
		}
	}

	witness, err := newWitness(b.WitnessVKey)
	if err != nil {
		return nil, nil, err
	}
	opened, err = note.Open([]byte(b.Checkpoint), note.VerifierList(verifier, witness))
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint: %w", err)
	}
	if len(opened.Sigs) != 2 || witness.time != b.WitnessTime {
		return nil, nil, errors.New("checkpoint: log and witness expected")
	}
	tree, err := tlog.ParseTree([]byte(opened.Text))
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint: %w", err)
	}
	if tree.N != int64(len(entries)) || tree.Hash != roots[len(entries)] {
		return nil, nil, errors.New("checkpoint: another size or root")
	}

	if err := verifyTiles(b, tree, hashes, entries); err != nil {
		return nil, nil, err
	}
	for _, p := range b.Inclusion {
		proof, err := parseHashes(p.Proof)
		if err != nil {
			return nil, nil, err
		}
		leaf := tlog.RecordHash(entries[p.Index])
		if err := tlog.CheckRecord(proof, p.Size, roots[p.Size], p.Index, leaf); err != nil {
			return nil, nil, fmt.Errorf("inclusion of %d in %d: %w", p.Index, p.Size, err)
		}
	}
	for _, p := range b.Consistency {
		proof, err := parseHashes(p.Proof)
		if err != nil {
			return nil, nil, err
		}
		if err := tlog.CheckTree(proof, p.New, roots[p.New], p.Old, roots[p.Old]); err != nil {
			return nil, nil, fmt.Errorf("consistency of %d and %d: %w", p.Old, p.New, err)
		}
	}
	return hashes, entries, nil
}

func verifyTiles(b *bundle, tree tlog.Tree, hashes tlog.HashReader, entries [][]byte) error {
	tiles := map[string][]byte{}
	for path, encoded := range b.Tiles {
		data, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return err
		}
		tiles[withHeight(path)] = data
	}
	expected := tlog.NewTiles(8, 0, tree.N)
	if len(expected) != len(tiles) {
		return fmt.Errorf("%d tiles expected, not %d", len(expected), len(tiles))
	}
	for _, tile := range expected {
		data, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return err
		}
		if !bytes.Equal(data, tiles[tile.Path()]) {
			return fmt.Errorf("tile %s differs", tile.Path())
		}
	}
	for _, g := range b.Growth {
		var paths []string
		for _, tile := range tlog.NewTiles(8, g.Old, g.New) {
			paths = append(paths, tile.Path())
		}
		if len(paths) != len(g.Tiles) {
			return fmt.Errorf("growth from %d to %d: %d tiles expected, not %d", g.Old, g.New, len(paths), len(g.Tiles))
		}
		for i, path := range g.Tiles {
			if withHeight(path) != paths[i] {
				return fmt.Errorf("growth from %d to %d: %s expected, not %s", g.Old, g.New, paths[i], path)
			}
		}
	}
	// A reader that trusts the root only authenticates every tile it uses.
	reader := tlog.TileHashReader(tree, tileReader(tiles))
	for n := int64(0); n < tree.N; n += 97 {
		proof, err := tlog.ProveRecord(tree.N, n, reader)
		if err != nil {
			return fmt.Errorf("proof of %d from tiles: %w", n, err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, n, tlog.RecordHash(entries[n])); err != nil {
			return err
		}
	}
	for n := 0; n < len(entries); n += 256 {
		end := n + 256
		path := fmt.Sprintf("tile/entries/%03d", n/256)
		if end > len(entries) {
			end = len(entries)
			path += fmt.Sprintf(".p/%d", end-n)
		}
		if b.Bundles[path] != base64.StdEncoding.EncodeToString(pack(entries[n:end])) {
			return fmt.Errorf("entry bundle %s differs", path)
		}
	}
	return nil
}

func produce(hashes tlog.HashReader, entries [][]byte, in []inclusion, con []consistency) (*bundle, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "oracle.example/log")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	b := &bundle{VKey: vkey, WitnessTime: 1679315147, Tiles: map[string]string{}, Bundles: map[string]string{}}
	b.NoteText = "Erste Zeile\n\n— keine Unterschrift\n\nletzte Zeile äöüß\n"
	signed, err := note.Sign(&note.Note{Text: b.NoteText}, signer)
	if err != nil {
		return nil, err
	}
	b.Note = string(signed)
	size := int64(len(entries))
	for n := int64(1); n <= size; n++ {
		root, err := tlog.TreeHash(n, hashes)
		if err != nil {
			return nil, err
		}
		b.Roots = append(b.Roots, root.String())
	}
	for _, entry := range entries {
		b.Entries = append(b.Entries, base64.StdEncoding.EncodeToString(entry))
	}
	root, err := tlog.TreeHash(size, hashes)
	if err != nil {
		return nil, err
	}
	text := string(tlog.FormatTree(tlog.Tree{N: size, Hash: root}))
	witnessKey, line, err := cosign("oracle.example/witness", text, b.WitnessTime)
	if err != nil {
		return nil, err
	}
	b.WitnessVKey = witnessKey
	if signed, err = note.Sign(&note.Note{Text: text}, signer); err != nil {
		return nil, err
	}
	b.Checkpoint = string(signed) + line
	for _, tile := range tlog.NewTiles(8, 0, size) {
		data, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return nil, err
		}
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		b.Tiles[path] = base64.StdEncoding.EncodeToString(data)
	}
	for _, p := range in {
		proof, err := tlog.ProveRecord(p.Size, p.Index, hashes)
		if err != nil {
			return nil, err
		}
		b.Inclusion = append(b.Inclusion, inclusion{p.Index, p.Size, texts(proof)})
	}
	for _, p := range con {
		proof, err := tlog.ProveTree(p.New, p.Old, hashes)
		if err != nil {
			return nil, err
		}
		b.Consistency = append(b.Consistency, consistency{p.Old, p.New, texts(proof)})
	}
	return b, nil
}

func store(entries [][]byte) (tlog.HashReader, error) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			if i >= int64(len(stored)) {
				return nil, errors.New("hash not stored")
			}
			out = append(out, stored[i])
		}
		return out, nil
	})
	for n, entry := range entries {
		hashes, err := tlog.StoredHashes(int64(n), entry, reader)
		if err != nil {
			return nil, err
		}
		stored = append(stored, hashes...)
	}
	return reader, nil
}

type tileReader map[string][]byte

func (r tileReader) Height() int { return 8 }

func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		data, found := r[tile.Path()]
		if !found {
			return nil, fmt.Errorf("tile %s is missing", tile.Path())
		}
		out = append(out, data)
	}
	return out, nil
}

func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// withHeight turns a path of tlog-tiles into one of the Go package, which also names the height of tiles.
func withHeight(path string) string {
	return strings.Replace(path, "tile/", "tile/8/", 1)
}

func pack(entries [][]byte) []byte {
	var out []byte
	for _, entry := range entries {
		out = binary.BigEndian.AppendUint16(out, uint16(len(entry)))
		out = append(out, entry...)
	}
	return out
}

func parseHashes(texts []string) ([]tlog.Hash, error) {
	out := []tlog.Hash{}
	for _, text := range texts {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return nil, err
		}
		out = append(out, hash)
	}
	return out, nil
}

func texts(hashes []tlog.Hash) []string {
	out := []string{}
	for _, hash := range hashes {
		out = append(out, hash.String())
	}
	return out
}

// A witness key of type 0x04, which the Go package leaves to its callers.
type witness struct {
	name string
	id   uint32
	key  ed25519.PublicKey
	time uint64
}

func newWitness(vkey string) (*witness, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("witness key: malformed")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 33 || raw[0] != 4 {
		return nil, errors.New("witness key: not of type 4")
	}
	id := keyID(parts[0], raw)
	if fmt.Sprintf("%08x", id) != parts[1] {
		return nil, errors.New("witness key: wrong id")
	}
	return &witness{name: parts[0], id: id, key: raw[1:]}, nil
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.id }
func (w *witness) Verify(msg, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	w.time = binary.BigEndian.Uint64(sig)
	return ed25519.Verify(w.key, cosigned(string(msg), w.time), sig[8:])
}

func cosigned(text string, time uint64) []byte {
	return []byte(fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text))
}

func keyID(name string, typed []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), typed...))
	return binary.BigEndian.Uint32(sum[:])
}

func cosign(name, text string, time uint64) (vkey, line string, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	typed := append([]byte{4}, public...)
	id := keyID(name, typed)
	raw := binary.BigEndian.AppendUint32(nil, id)
	raw = binary.BigEndian.AppendUint64(raw, time)
	raw = append(raw, ed25519.Sign(private, cosigned(text, time))...)
	vkey = fmt.Sprintf("%s+%08x+%s", name, id, base64.StdEncoding.EncodeToString(typed))
	return vkey, fmt.Sprintf("— %s %s\n", name, base64.StdEncoding.EncodeToString(raw)), nil
}
