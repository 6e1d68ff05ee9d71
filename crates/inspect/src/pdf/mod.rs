// SPDX-License-Identifier: EUPL-1.2
//! The sheet on paper: a [`Face`] as PDF/A-3b (ISO 19005-3) and PDF/UA-1 (ISO 14289-1), the stored octets embedded.
//!
//! Guarantees: the same face, files and time give the same octets; structure, language, bookmarks and heads of tables are
//! there for a screen reader; tone is a word, not only a colour; what the font cannot show is marked and counted, never
//! an error; text is capped and says so. Does not sign, does not shape complex scripts, draws no pictures.

mod flow;
mod letters;

use krilla::Document;
use krilla::color::rgb;
use krilla::configure::{Accessibility, Archival, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::embed::{AssociationKind, EmbeddedFile, MimeType};
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::num::NormalizedF32;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Identifier, Node, SpanTag, TagGroup, TagTree};
use poststelle_crypto::signature::UnixTime;
use poststelle_model::Timestamp;

use self::flow::{BLACK, Colour, Flow, Item, Knot, LEFT, Mark, PAGE, WIDTH};
use self::letters::Letters;
use crate::face::Face;

/// A file inside the PDF, as associated file with the relation *Data*.
#[derive(Debug, Clone, Copy)]
pub struct Embedded<'a> {
    /// Name, unique in the document.
    pub name: &'a str,
    /// Media type.
    pub media_type: &'a str,
    /// Its octets.
    pub octets: &'a [u8],
    /// What it is, for people.
    pub description: &'a str,
}

/// Why there is no PDF. A face never is the reason: its text is capped and what cannot be shown is marked.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The font of the program is unusable.
    #[error("the built-in font cannot be read")]
    Font,
    /// The time is outside the years 1 to 9999.
    #[error("the time {0} cannot be written as a date")]
    Time(UnixTime),
    /// Two files have the same name, or the media type is none.
    #[error("the file {0} cannot be embedded: its name is there twice or its media type is malformed")]
    Embedded(String),
    /// The writer refused what we made.
    #[error("the PDF could not be written: {0}")]
    Written(String),
}

/// Writes `face` as PDF with the files `embedded`. `made_at` is the time in its metadata, `identifier` stands at the foot
/// of every page and makes its document id.
///
/// # Errors
/// See [`PdfError`].
pub fn pdf(
    face: &Face,
    embedded: &[Embedded<'_>],
    made_at: UnixTime,
    identifier: &str,
) -> Result<Vec<u8>, PdfError> {
    let regular = Letters::new(ttf_noto_sans::REGULAR)?;
    let bold = Letters::new(ttf_noto_sans::BOLD)?;
    let mut flow = Flow::new(&regular, &bold);
    flow.document(face);

    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A3_B)
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|error| PdfError::Written(format!("{error:?}")))?;
    let mut document = Document::new_with(krilla::SerializeSettings {
        configuration,
        enable_tagging: true,
        ..Default::default()
    });

    let date = date(made_at)?;
    let mut unshown = 0;
    let foot = regular.showable(identifier, 80, &mut unshown).replace('\n', " ");
    let title = flow.marks.first().map_or_else(String::new, |mark| mark.text.clone());
    let mut metadata = Metadata::new()
        .title(title)
        .language("de".to_owned())
        .creator("poststelle".to_owned())
        .producer(concat!("poststelle ", env!("CARGO_PKG_VERSION")).to_owned())
        .creation_date(date)
        .document_id(foot.clone());
    if !face.about.is_empty() {
        metadata = metadata.description(regular.showable(&face.about, 1000, &mut unshown).replace('\n', " "));
    }
    document.set_metadata(metadata);

    let mut leaves = vec![None; flow.leaves];
    let count = flow.pages.len();
    for (n, items) in flow.pages.iter().enumerate() {
        let mut page = document.start_page_with(
            PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(|| PdfError::Written("page size".to_owned()))?,
        );
        let mut surface = page.surface();
        areas(&mut surface, items);
        for item in items {
            if let Item::Line { leaf, x, y, text, bold: heavy, size } = item {
                let letters = if *heavy { &bold } else { &regular };
                let tag = match leaf {
                    Some(_) => ContentTag::Span(SpanTag::empty()),
                    None => ContentTag::Artifact(Artifact::with_kind(ArtifactType::PaginationOther)),
                };
                let identifier = surface.start_tagged(tag);
                line(&mut surface, letters, (*x, *y), text, *size);
                surface.end_tagged();
                if let Some(leaf) = leaf {
                    leaves[*leaf] = Some(identifier);
                }
            }
        }
        surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)));
        let number = format!("Seite {} von {count}", n + 1);
        let right = LEFT + WIDTH - regular.width(&number, 8.0);
        line(&mut surface, &regular, (LEFT, PAGE.1 - 44.0), &foot, 8.0);
        line(&mut surface, &regular, (right, PAGE.1 - 44.0), &number, 8.0);
        surface.end_tagged();
        surface.finish();
        page.finish();
    }

    let leaves: Vec<Identifier> = leaves
        .into_iter()
        .collect::<Option<_>>()
        .ok_or_else(|| PdfError::Written("a line without a page".to_owned()))?;
    let mut tree = TagTree::new().with_lang(Some("de".to_owned()));
    for knot in flow.tree {
        tree.push(group(knot, &leaves));
    }
    document.set_tag_tree(tree);
    document.set_outline(outline(&flow.marks));
    for file in embedded {
        let refused = || PdfError::Embedded(file.name.to_owned());
        document
            .embed_file(EmbeddedFile {
                path: file.name.to_owned(),
                mime_type: Some(MimeType::new(file.media_type).ok_or_else(refused)?),
                description: Some(file.description.to_owned()),
                association_kind: AssociationKind::Data,
                data: file.octets.to_vec().into(),
                modification_date: Some(date),
                compress: Some(true),
                location: None,
            })
            .ok_or_else(refused)?;
    }
    document.finish().map_err(|error| PdfError::Written(error.to_string()))
}

fn date(at: UnixTime) -> Result<DateTime, PdfError> {
    let text = Timestamp(at.saturating_mul(1_000_000)).rfc3339();
    let mut numbers = text.split(['-', 'T', ':', '.', 'Z']).map(str::parse::<u16>);
    let mut next = || numbers.next().and_then(Result::ok).ok_or(PdfError::Time(at));
    let (year, month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(|n| n as u8);
    Ok(DateTime::new(year)
        .month(month)
        .day(day)
        .hour(hour)
        .minute(minute)
        .second(second)
        .utc_offset_hour(0)
        .utc_offset_minute(0))
}

fn fill(surface: &mut Surface<'_>, (red, green, blue): Colour) {
    surface.set_fill(Some(Fill {
        paint: rgb::Color::new(red, green, blue).into(),
        opacity: NormalizedF32::ONE,
        rule: FillRule::NonZero,
    }));
}

fn line(surface: &mut Surface<'_>, letters: &Letters, (x, y): (f32, f32), text: &str, size: f32) {
    fill(surface, BLACK);
    let glyphs = letters.glyphs(text);
    surface.draw_glyphs(Point::from_xy(x, y + size), &glyphs, letters.font.clone(), text, size, false);
}

/// Backgrounds and rules lie under the text and mean nothing.
fn areas(surface: &mut Surface<'_>, items: &[Item]) {
    for item in items {
        if let Item::Area { x, y, width, height, colour } = item
            && let Some(rectangle) = Rect::from_xywh(*x, *y, *width, *height)
        {
            let mut path = PathBuilder::new();
            path.push_rect(rectangle);
            if let Some(path) = path.finish() {
                surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
                fill(surface, *colour);
                surface.draw_path(&path);
                surface.end_tagged();
            }
        }
    }
}

fn group(knot: Knot, leaves: &[Identifier]) -> Node {
    match knot {
        Knot::Leaf(n) => Node::Leaf(leaves[n]),
        Knot::Group(tag, children) => {
            TagGroup::with_children(tag, children.into_iter().map(|child| group(child, leaves)).collect())
                .into()
        }
    }
}

/// Bookmarks: the title and the headings below it.
fn outline(marks: &[Mark]) -> Outline {
    fn nodes(marks: &[Mark], level: u8) -> Vec<OutlineNode> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(mark) = marks.get(at) {
            let below = marks[at + 1..].iter().take_while(|other| other.level > level).count();
            let place = XyzDestination::new(mark.page, Point::from_xy(LEFT, mark.y));
            let mut node = OutlineNode::new(mark.text.clone(), place).with_open(level == 1);
            for child in nodes(&marks[at + 1..=at + below], level + 1) {
                node.push_child(child);
            }
            found.push(node);
            at += below + 1;
        }
        found
    }
    let mut outline = Outline::new();
    for node in nodes(marks, 1) {
        outline.push_child(node);
    }
    outline
}
