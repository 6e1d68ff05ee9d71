// SPDX-License-Identifier: EUPL-1.2
//! Where everything goes: blocks become lines on pages, and a tree that says what they mean.
//!
//! Guarantees: reading order is the order of the blocks; every line is a leaf of the tree exactly once or an artifact; a
//! table's row is split only when it is higher than a page; heads of tables are repeated on each page as artifacts.
//! Knows nothing of PDF but the names of its structure elements.

use krilla::tagging::{ListNumbering, TableHeaderScope, Tag, TagKind};

use super::letters::Letters;
use crate::face::{Block, Face, Tone};

/// A4 and its margins, points.
pub(super) const PAGE: (f32, f32) = (595.28, 841.89);
pub(super) const LEFT: f32 = 56.0;
pub(super) const WIDTH: f32 = PAGE.0 - 2.0 * LEFT;
const TOP: f32 = 56.0;
const BOTTOM: f32 = PAGE.1 - 64.0;
const LEADING: f32 = 1.36;
const BODY: f32 = 10.0;
const CELL: f32 = 8.5;
const GAP: f32 = 8.0;

/// Characters of one text, of one cell, of the whole document.
const TEXT_CAP: usize = 20_000;
const CELL_CAP: usize = 4_000;
const TOTAL_CAP: usize = 2_000_000;
/// Columns of a table; what is beyond is joined into the last.
const COLUMNS: usize = 12;

pub(super) const BLACK: Colour = (0x1a, 0x1a, 0x1a);
const GREY: Colour = (0x9a, 0x9a, 0x9a);
const PALE: Colour = (0xee, 0xee, 0xee);
pub(super) type Colour = (u8, u8, u8);

/// Something on a page; `y` is its upper edge.
pub(super) enum Item {
    Line { leaf: Option<usize>, x: f32, y: f32, text: String, bold: bool, size: f32 },
    Area { x: f32, y: f32, width: f32, height: f32, colour: Colour },
}

/// What lines mean.
pub(super) enum Knot {
    Group(TagKind, Vec<Knot>),
    Leaf(usize),
}

/// Goes into the bookmarks.
pub(super) struct Mark {
    pub(super) level: u8,
    pub(super) text: String,
    pub(super) page: usize,
    pub(super) y: f32,
}

struct Cell {
    x: f32,
    lines: Vec<String>,
    bold: bool,
}

pub(super) struct Flow<'a> {
    regular: &'a Letters,
    bold: &'a Letters,
    pub(super) pages: Vec<Vec<Item>>,
    pub(super) tree: Vec<Knot>,
    pub(super) marks: Vec<Mark>,
    pub(super) leaves: usize,
    lost: u64,
    spent: usize,
    /// Where the next line goes, and where this page's content began.
    y: f32,
    start: f32,
}

impl<'a> Flow<'a> {
    pub(super) fn new(regular: &'a Letters, bold: &'a Letters) -> Self {
        Self {
            regular,
            bold,
            pages: vec![Vec::new()],
            tree: Vec::new(),
            marks: Vec::new(),
            leaves: 0,
            lost: 0,
            spent: 0,
            y: TOP,
            start: TOP,
        }
    }

    pub(super) fn document(&mut self, face: &Face) {
        self.heading(1, if face.title.trim().is_empty() { "Dokument" } else { &face.title });
        if !face.about.is_empty() {
            self.text(&face.about);
        }
        let mut omitted = 0;
        for block in &face.blocks {
            if self.spent > TOTAL_CAP {
                omitted += 1;
            } else {
                self.block(block);
            }
        }
        if omitted > 0 {
            self.alert(
                Tone::Warning,
                "Gekürzt",
                &format!("{omitted} weitere Abschnitte stehen nur in der eingebetteten Datei."),
            );
        }
        if self.lost > 0 {
            let count = self.lost;
            self.text(&format!(
                "Für {count} Zeichen hat die Schrift dieses Dokuments kein Bild, oder sie sind unsichtbar; an ihrer Stelle \
                 steht \u{FFFD}. In der eingebetteten Datei stehen sie im Wortlaut."
            ));
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Heading { level, text } => {
                if !text.trim().is_empty() {
                    // No level may be left out, and the title is the only one of level 1 (ISO 14289-1, 7.4.2).
                    let before = self.marks.last().map_or(1, |mark| mark.level);
                    self.heading((*level).clamp(2, 3).min(before + 1), text);
                }
            }
            Block::Text(text) => self.text(text),
            Block::Alert { tone, title, text } => self.alert(*tone, title, text),
            Block::Facts(facts) => self.facts(facts),
            Block::List(entries) => self.list(entries),
            Block::Table { caption, head, rows } => self.table(caption, head, rows),
        }
    }

    fn letters(&self, bold: bool) -> &'a Letters {
        if bold { self.bold } else { self.regular }
    }

    fn showable(&mut self, text: &str, bold: bool, cap: usize) -> String {
        let shown = self.letters(bold).showable(text, cap, &mut self.lost);
        self.spent += shown.len();
        shown
    }

    fn lines(&mut self, text: &str, bold: bool, size: f32, width: f32, cap: usize) -> Vec<String> {
        let shown = self.showable(text, bold, cap);
        self.letters(bold).lines(&shown, size, width)
    }

    fn page(&mut self) {
        self.pages.push(Vec::new());
        self.y = TOP;
        self.start = TOP;
    }

    fn put(&mut self, item: Item) {
        if let Some(page) = self.pages.last_mut() {
            page.push(item);
        }
    }

    fn area(&mut self, x: f32, y: f32, width: f32, height: f32, colour: Colour) {
        self.put(Item::Area { x, y, width, height, colour });
    }

    fn group(&mut self, tag: impl Into<TagKind>, children: Vec<Knot>) {
        self.tree.push(Knot::Group(tag.into(), children));
    }

    /// Cells side by side, over as many pages as they need; gives the leaves of each.
    fn row(&mut self, cells: &[Cell], size: f32, head: Option<&[Cell]>) -> Vec<Vec<Knot>> {
        let step = size * LEADING;
        let lines = cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(0);
        let mut leaves: Vec<Vec<Knot>> = cells.iter().map(|_| Vec::new()).collect();
        let mut from = 0;
        while from < lines {
            let fits = ((BOTTOM - self.y) / step).max(0.0) as usize;
            let whole = ((BOTTOM - TOP) / step) as usize;
            let left = lines - from;
            // A new page when that keeps the row whole, or when only a sliver is left of this one.
            if left > fits && self.y > self.start && (left <= whole || fits < 3) {
                self.page();
                if let Some(head) = head {
                    self.head(head, size);
                    self.start = self.y;
                }
                continue;
            }
            let count = left.min(fits.max(1));
            self.part(cells, size, from, count, &mut leaves);
            from += count;
        }
        leaves
    }

    /// `count` lines of each cell, from line `from`.
    fn part(&mut self, cells: &[Cell], size: f32, from: usize, count: usize, leaves: &mut [Vec<Knot>]) {
        for (cell, leaves) in cells.iter().zip(leaves) {
            for (n, line) in cell.lines.iter().skip(from).take(count).enumerate() {
                let y = self.y + n as f32 * size * LEADING;
                let leaf = self.leaves;
                self.leaves += 1;
                leaves.push(Knot::Leaf(leaf));
                self.put(Item::Line {
                    leaf: Some(leaf),
                    x: cell.x,
                    y,
                    text: line.clone(),
                    bold: cell.bold,
                    size,
                });
            }
        }
        self.y += count as f32 * size * LEADING;
    }

    /// The head of a table once more, for the eye only.
    fn head(&mut self, cells: &[Cell], size: f32) {
        let count = cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(0);
        let height = count as f32 * size * LEADING;
        self.area(LEFT, self.y, WIDTH, height + 4.0, PALE);
        for cell in cells {
            for (n, line) in cell.lines.iter().enumerate() {
                let y = self.y + 2.0 + n as f32 * size * LEADING;
                self.put(Item::Line { leaf: None, x: cell.x, y, text: line.clone(), bold: true, size });
            }
        }
        self.y += height + 6.0;
    }

    fn single(&mut self, x: f32, lines: Vec<String>, bold: bool, size: f32) -> Vec<Knot> {
        self.row(&[Cell { x, lines, bold }], size, None).pop().unwrap_or_default()
    }

    fn room(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.page();
        }
    }

    fn space(&mut self, height: f32) {
        if self.y > TOP {
            self.y += height;
        }
    }

    fn heading(&mut self, level: u8, text: &str) {
        let (size, before) = [(18.0, 0.0), (13.0, 14.0), (11.0, 8.0)][usize::from(level.clamp(1, 3)) - 1];
        let shown = self.showable(text, true, 500);
        let lines = self.bold.lines(&shown, size, WIDTH);
        self.space(before);
        // A heading does not stand alone at the foot of a page.
        self.room((lines.len() as f32 * size * LEADING).min(BOTTOM - TOP - 60.0) + 3.0 * BODY * LEADING);
        self.marks.push(Mark {
            level,
            text: shown.replace('\n', " "),
            page: self.pages.len() - 1,
            y: self.y,
        });
        let leaves = self.single(LEFT, lines, true, size);
        let number = std::num::NonZeroU16::new(level.into()).unwrap_or(std::num::NonZeroU16::MIN);
        self.group(Tag::Hn(number, Some(shown.replace('\n', " "))), leaves);
        self.space(4.0);
    }

    fn text(&mut self, text: &str) {
        let lines = self.lines(text, false, BODY, WIDTH, TEXT_CAP);
        let leaves = self.single(LEFT, lines, false, BODY);
        self.group(Tag::P, leaves);
        self.space(GAP);
    }

    fn alert(&mut self, tone: Tone, title: &str, text: &str) {
        let (word, colour) = match tone {
            Tone::Success => ("In Ordnung", (0x1e, 0x7a, 0x3c)),
            Tone::Info => ("Hinweis", (0x00, 0x4b, 0x76)),
            Tone::Warning => ("Achtung", (0xb3, 0x6b, 0x00)),
            Tone::Danger => ("Gefahr", (0xb0, 0x00, 0x20)),
        };
        let (x, width) = (LEFT + 12.0, WIDTH - 16.0);
        let head = self.lines(&format!("{word}: {title}"), true, BODY, width, TEXT_CAP);
        let body = if text.is_empty() { Vec::new() } else { self.lines(text, false, BODY, width, TEXT_CAP) };
        self.room(((head.len() + body.len()) as f32 * BODY * LEADING + 8.0).min(BOTTOM - TOP));
        let (page, top) = (self.pages.len() - 1, self.y);
        self.y += 4.0;
        let mut children = vec![Knot::Group(Tag::P.into(), self.single(x, head, true, BODY))];
        if !body.is_empty() {
            children.push(Knot::Group(Tag::P.into(), self.single(x, body, false, BODY)));
        }
        self.y += 4.0;
        // The bar at its side, on every page it reaches.
        let last = self.pages.len() - 1;
        for n in page..=last {
            let from = if n == page { top } else { TOP };
            let to = if n == last { self.y } else { BOTTOM };
            self.pages[n].push(Item::Area { x: LEFT, y: from, width: 4.0, height: to - from, colour });
        }
        self.group(Tag::Div, children);
        self.space(GAP);
    }

    /// Names and values; in PDF 1.7 a list whose labels are the names.
    fn facts(&mut self, facts: &[(String, String)]) {
        if facts.is_empty() {
            return;
        }
        let (left, gap) = (150.0, 10.0);
        let mut entries = Vec::new();
        for (name, value) in facts {
            let cells = [
                Cell { x: LEFT, lines: self.lines(name, true, BODY, left, CELL_CAP), bold: true },
                Cell {
                    x: LEFT + left + gap,
                    lines: self.lines(value, false, BODY, WIDTH - left - gap, CELL_CAP),
                    bold: false,
                },
            ];
            let mut leaves = self.row(&cells, BODY, None).into_iter();
            self.space(2.0);
            entries.push(entry(leaves.next(), leaves.next()));
        }
        self.group(Tag::L(ListNumbering::None), entries);
        self.space(GAP);
    }

    fn list(&mut self, texts: &[String]) {
        if texts.is_empty() {
            return;
        }
        let mut entries = Vec::new();
        for text in texts {
            let cells = [
                Cell { x: LEFT + 4.0, lines: vec!["•".to_owned()], bold: false },
                Cell {
                    x: LEFT + 16.0,
                    lines: self.lines(text, false, BODY, WIDTH - 16.0, TEXT_CAP),
                    bold: false,
                },
            ];
            let mut leaves = self.row(&cells, BODY, None).into_iter();
            self.space(2.0);
            entries.push(entry(leaves.next(), leaves.next()));
        }
        self.group(Tag::L(ListNumbering::Disc), entries);
        self.space(GAP);
    }

    fn table(&mut self, caption: &str, head: &[String], rows: &[Vec<String>]) {
        let columns = match head.len() {
            0 => rows.iter().map(Vec::len).max().unwrap_or(0),
            n => n,
        }
        .min(COLUMNS);
        if columns == 0 {
            return;
        }
        let head = fitted(head, columns);
        let widths = self.widths(&head, rows, columns);
        let mut places = Vec::with_capacity(columns);
        let mut x = LEFT + 3.0;
        for width in &widths {
            places.push((x, width - 6.0));
            x += width;
        }
        let mut children = Vec::new();
        let head_cells: Vec<Cell> = head
            .iter()
            .zip(&places)
            .map(|(text, (x, width))| Cell {
                x: *x,
                lines: self.lines(text, true, CELL, *width, 80),
                bold: true,
            })
            .collect();
        let head_height =
            head_cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(0) as f32 * CELL * LEADING;
        self.room((head_height + 5.0 * BODY * LEADING).min(BOTTOM - TOP));
        if !caption.trim().is_empty() {
            let lines = self.lines(caption, true, BODY, WIDTH, TEXT_CAP);
            let leaves = self.single(LEFT, lines, true, BODY);
            children.push(Knot::Group(Tag::Caption.into(), leaves));
            self.space(2.0);
        }
        let (page, top) = (self.pages.len(), self.y);
        self.y += 2.0;
        let leaves = self.row(&head_cells, CELL, None);
        if self.pages.len() == page {
            self.area(LEFT, top, WIDTH, self.y - top + 2.0, PALE);
        }
        self.y += 4.0;
        let cells =
            leaves.into_iter().map(|leaves| Knot::Group(Tag::TH(TableHeaderScope::Column).into(), leaves));
        let head_row = Knot::Group(Tag::TR.into(), cells.collect());
        children.push(Knot::Group(Tag::THead.into(), vec![head_row]));
        let mut body = Vec::with_capacity(rows.len());
        for (n, row) in rows.iter().enumerate() {
            if self.spent > TOTAL_CAP {
                let mut last = vec![String::new(); columns];
                last[0] = format!("{} weitere Zeilen stehen nur in der eingebetteten Datei.", rows.len() - n);
                body.push(self.table_row(&last, &places, &head_cells));
                break;
            }
            body.push(self.table_row(&fitted(row, columns), &places, &head_cells));
        }
        if !body.is_empty() {
            children.push(Knot::Group(Tag::TBody.into(), body));
        }
        self.group(Tag::Table, children);
        self.space(GAP);
    }

    fn table_row(&mut self, row: &[String], places: &[(f32, f32)], head: &[Cell]) -> Knot {
        let cells: Vec<Cell> = row
            .iter()
            .zip(places)
            .map(|(text, (x, width))| Cell {
                x: *x,
                lines: self.lines(text, false, CELL, *width, CELL_CAP),
                bold: false,
            })
            .collect();
        let leaves = self.row(&cells, CELL, Some(head));
        self.area(LEFT, self.y + 1.5, WIDTH, 0.5, GREY);
        self.y += 4.0;
        let cells = leaves.into_iter().enumerate().map(|(n, leaves)| match n {
            0 => Knot::Group(Tag::TH(TableHeaderScope::Row).into(), leaves),
            _ => Knot::Group(Tag::TD.into(), leaves),
        });
        Knot::Group(Tag::TR.into(), cells.collect())
    }

    /// Widths of the columns by what stands in the head and the first rows: first so that words stay whole, up to a
    /// fifth of the page, then by what is still missing.
    fn widths(&self, head: &[String], rows: &[Vec<String>], columns: usize) -> Vec<f32> {
        let mut least: Vec<f32> = Vec::with_capacity(columns);
        let mut wishes: Vec<f32> = Vec::with_capacity(columns);
        for n in 0..columns {
            let mut word = head.get(n).map_or(0.0, |text| self.bold.widest_word(text, CELL));
            let mut wish = word;
            for text in rows.iter().take(200).filter_map(|row| row.get(n)) {
                let text = text.get(..text.floor_char_boundary(200)).unwrap_or(text);
                word = word.max(self.regular.widest_word(text, CELL));
                wish = wish.max(self.regular.width(text, CELL));
            }
            let word = word.clamp(20.0, WIDTH / 5.0) + 7.0;
            least.push(word);
            wishes.push((wish + 7.0).clamp(word, WIDTH / 2.0) - word + 1.0);
        }
        let (sum, wished): (f32, f32) = (least.iter().sum(), wishes.iter().sum());
        if sum > WIDTH {
            return least.iter().map(|width| width * WIDTH / sum).collect();
        }
        least.iter().zip(&wishes).map(|(width, wish)| width + wish * (WIDTH - sum) / wished).collect()
    }
}

fn entry(label: Option<Vec<Knot>>, body: Option<Vec<Knot>>) -> Knot {
    Knot::Group(
        Tag::LI.into(),
        vec![
            Knot::Group(Tag::Lbl.into(), label.unwrap_or_default()),
            Knot::Group(Tag::LBody.into(), body.unwrap_or_default()),
        ],
    )
}

/// Exactly `columns` cells; what is beyond is joined into the last, what is missing is empty.
fn fitted(row: &[String], columns: usize) -> Vec<String> {
    let mut cells: Vec<String> = row.iter().take(columns).cloned().collect();
    cells.resize(columns, String::new());
    if let (Some(last), true) = (cells.last_mut(), row.len() > columns) {
        *last = row[columns - 1..].join(" · ");
    }
    cells
}
