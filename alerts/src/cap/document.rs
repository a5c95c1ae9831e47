//! A CAP 1.2 message, and writing it. The order of the elements is that of the schema.

use ioc_model::Timestamp;

use super::xml::{Out, cap_time, elements, token};

/// XML namespace of CAP 1.2.
const NAMESPACE: &str = "urn:oasis:names:tc:emergency:cap:1.2";

/// CAP `status`, as far as it is ours to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// To be acted on.
    Actual,
    /// For participants of an exercise.
    Exercise,
    /// To be disregarded by the public. The default: a warning of the real thing has to be asked
    /// for.
    #[default]
    Test,
}

impl Status {
    /// The word of the standard.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Actual => "Actual",
            Self::Exercise => "Exercise",
            Self::Test => "Test",
        }
    }
}

/// CAP `msgType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first of an incident.
    Alert,
    /// Replaces the earlier ones.
    Update,
    /// It is over.
    Cancel,
}

impl Kind {
    /// The word of the standard.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "Alert",
            Self::Update => "Update",
            Self::Cancel => "Cancel",
        }
    }
}

/// An earlier message of the same sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its `identifier`.
    pub identifier: String,
    /// Its `sent`.
    pub sent: Timestamp,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Unique for the sender.
    pub identifier: String,
    /// Who is responsible, unique in the world: an address or a domain.
    pub sender: String,
    /// When.
    pub sent: Timestamp,
    /// For whom it is meant.
    pub status: Status,
    /// Which stage.
    pub kind: Kind,
    /// Why it is cancelled, or which exercise it belongs to.
    pub note: Option<String>,
    /// All earlier messages about it, oldest first.
    pub references: Vec<Reference>,
    /// The incident; empty for a test message.
    pub incident: String,
    /// The same in several languages.
    pub infos: Vec<Info>,
}

/// What is said in one language.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    /// RFC 3066 code.
    pub language: &'static str,
    /// At least one.
    pub category: Vec<&'static str>,
    /// What happens.
    pub event: String,
    /// What the public should do, as words of the standard.
    pub response: Vec<&'static str>,
    /// Word of the standard.
    pub urgency: &'static str,
    /// Word of the standard.
    pub severity: &'static str,
    /// Word of the standard.
    pub certainty: &'static str,
    /// From when it is valid.
    pub effective: Option<Timestamp>,
    /// When it began.
    pub onset: Option<Timestamp>,
    /// Until when it is valid.
    pub expires: Option<Timestamp>,
    /// Name of the sender for people.
    pub sender_name: String,
    /// At most 160 characters.
    pub headline: String,
    /// What is known.
    pub description: String,
    /// What to do.
    pub instruction: String,
    /// Where more is found.
    pub web: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// Where.
    pub areas: Vec<Area>,
}

/// A place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Area {
    /// In words.
    pub name: String,
    /// On the map.
    pub shapes: Vec<Shape>,
    /// Code of the ward at the General Statistics Office.
    pub code: Option<String>,
}

/// A shape, WGS 84.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A closed ring of (latitude, longitude): the last point is the first.
    Polygon(Vec<(f64, f64)>),
    /// Latitude, longitude, kilometres.
    Circle(f64, f64, f64),
}

impl Document {
    /// The message as XML.
    ///
    /// # Errors
    /// Only what writing into memory can give.
    pub fn to_xml(&self) -> std::io::Result<String> {
        elements("alert", NAMESPACE, |w| {
            w.text("identifier", &token(&self.identifier))?;
            w.text("sender", &token(&self.sender))?;
            w.text("sent", &cap_time(self.sent))?;
            w.text("status", self.status.as_str())?;
            w.text("msgType", self.kind.as_str())?;
            w.text("scope", "Public")?;
            w.some("note", self.note.as_deref())?;
            w.some("references", self.references().as_deref())?;
            w.some("incidents", Some(token(&self.incident)).filter(|t| !t.is_empty()).as_deref())?;
            self.infos.iter().try_for_each(|info| info.write(w))
        })
    }

    /// `sender,identifier,sent` of each earlier message, with spaces between.
    fn references(&self) -> Option<String> {
        let sender = token(&self.sender);
        let all: Vec<String> = self
            .references
            .iter()
            .map(|r| format!("{sender},{},{}", token(&r.identifier), cap_time(r.sent)))
            .collect();
        (!all.is_empty()).then(|| all.join(" "))
    }
}

impl Info {
    fn write(&self, w: &mut Out) -> std::io::Result<()> {
        w.within("info", |w| {
            w.text("language", self.language)?;
            self.category.iter().try_for_each(|c| w.text("category", c))?;
            w.text("event", &self.event)?;
            self.response.iter().try_for_each(|r| w.text("responseType", r))?;
            w.text("urgency", self.urgency)?;
            w.text("severity", self.severity)?;
            w.text("certainty", self.certainty)?;
            for (name, time) in
                [("effective", self.effective), ("onset", self.onset), ("expires", self.expires)]
            {
                w.some(name, time.map(cap_time).as_deref())?;
            }
            for (name, text) in [
                ("senderName", &self.sender_name),
                ("headline", &self.headline),
                ("description", &self.description),
                ("instruction", &self.instruction),
            ] {
                w.some(name, Some(text.as_str()).filter(|t| !t.is_empty()))?;
            }
            w.some("web", self.web.as_deref())?;
            w.some("contact", self.contact.as_deref())?;
            self.areas.iter().try_for_each(|area| area.write(w))
        })
    }
}

impl Area {
    fn write(&self, w: &mut Out) -> std::io::Result<()> {
        w.within("area", |w| {
            w.text("areaDesc", &self.name)?;
            // The schema wants all polygons before the first circle.
            for shape in &self.shapes {
                if let Shape::Polygon(points) = shape {
                    let points: Vec<String> =
                        points.iter().map(|(lat, lon)| format!("{lat},{lon}")).collect();
                    w.text("polygon", &points.join(" "))?;
                }
            }
            for shape in &self.shapes {
                if let Shape::Circle(lat, lon, km) = shape {
                    w.text("circle", &format!("{lat},{lon} {km}"))?;
                }
            }
            match &self.code {
                Some(code) => w.within("geocode", |w| {
                    w.text("valueName", "VN-GSO")?;
                    w.text("value", code)
                }),
                None => Ok(()),
            }
        })
    }
}
