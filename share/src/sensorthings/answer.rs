use ioc_model::{RangeQuery, Timestamp};
use serde_json::{Value, json};

use super::catalogue::{Catalogue, Entity, Observed};
use super::fault::{Fault, shown};
use super::id;
use super::kind::{Kind, has_members};
use super::list::Source;
use super::options::Options;
use super::path::{self, Part};
use super::work::{Work, unavailable};
use crate::{Answer, Ask, Scope, Sources};

/// What holds, and nothing else (18-088, 8 and 9). Rows (`data-array`) are served, but the class
/// also asks for creating.
const CONFORMANCE: [&str; 3] = [
    "http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/resource-path/resource-path-to-entities",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data",
];

/// Longest path, bytes as sent.
const MAX_PATH: usize = 2_048;

/// Answers a GET below `/sensorthings/v1.1`. Only what `scope` allows is there.
pub async fn answer(sources: &Sources, scope: &Scope, ask: &Ask<'_>) -> Answer {
    let devices = (sources.devices)();
    let catalogue = Catalogue::new(&sources.city, &devices, scope);
    let now = (sources.clock)();
    let work = Work::new(&catalogue, sources.history.as_ref(), ask.base, now);
    match work.answer(ask).await {
        Ok(answer) => answer,
        Err(fault) => fault.answer(),
    }
}

/// What a path names.
enum Target {
    Set(Kind, Source),
    One(Entity),
    /// A property, and names of members within its value.
    Property(Entity, &'static str, Vec<String>),
}

/// What the last part of a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    /// `$ref`: links only.
    Links,
    /// `$value`: the bare value.
    Bare,
}

impl Work<'_> {
    async fn answer(&self, ask: &Ask<'_>) -> Result<Answer, Fault> {
        if ask.path.len() > MAX_PATH {
            return Err(Fault::new(400, format!("the path is longer than {MAX_PATH} bytes")));
        }
        let mut parts = path::parse(ask.path)?;
        if parts.is_empty() {
            return Ok(json_answer(&self.root()));
        }
        let form = match parts.last() {
            Some(Part { name, key: None }) if name == "$ref" => Form::Links,
            Some(Part { name, key: None }) if name == "$value" => Form::Bare,
            _ => Form::Plain,
        };
        if form != Form::Plain {
            parts.pop();
        }
        match (self.walk(&parts).await?, form) {
            (Target::Set(kind, source), Form::Plain | Form::Links) => {
                let options = Options::parse(ask.query, kind, false)?;
                let page = self.list(&source, &options).await?;
                let at = format!("{}{}", self.base, ask.path);
                let links = form == Form::Links;
                Ok(json_answer(&self.render_set(page, &options, &at, links).await?))
            }
            (Target::One(e), Form::Plain) => {
                let options = Options::parse(ask.query, e.kind(), true)?;
                Ok(json_answer(&self.render(e, &options).await?))
            }
            (Target::One(e), Form::Links) => {
                Ok(json_answer(&json!({"@iot.selfLink": self.link(e)})))
            }
            (Target::Property(e, name, members), Form::Plain | Form::Bare) => {
                self.property(e, name, &members, form).await
            }
            (Target::Property(..), Form::Links) => {
                Err(Fault::new(400, "$ref is for entities and sets"))
            }
            (_, Form::Bare) => Err(Fault::new(400, "$value is for properties")),
        }
    }

    fn root(&self) -> Value {
        let sets: Vec<Value> = Kind::ALL
            .iter()
            .map(|k| json!({"name": k.set(), "url": format!("{}/{}", self.base, k.set())}))
            .collect();
        json!({"value": sets, "serverSettings": {"conformance": CONFORMANCE}})
    }

    async fn walk(&self, parts: &[Part]) -> Result<Target, Fault> {
        let nowhere = |p: &Part| Fault::new(404, format!("there is no {}", shown(&p.name)));
        let Some((first, rest)) = parts.split_first() else {
            return Err(Fault::new(400, "the service itself has no $ref and no $value"));
        };
        let kind = Kind::of_set(&first.name).ok_or_else(|| {
            let sets = Kind::ALL.map(Kind::set).join(", ");
            nowhere(first).hint(format!("sets are {sets}"))
        })?;
        let all = match kind {
            Kind::Observation => Source::Observations((0..self.catalogue.streams.len()).collect()),
            _ => Source::Entities(self.catalogue.all(kind)),
        };
        let mut target = self.enter(kind, all, first).await?;
        for part in rest {
            let next = match target {
                Target::One(e) => match e.kind().nav(&part.name) {
                    Some(nav) if nav.many => self.enter(nav.to, self.lead(e, nav.to), part).await?,
                    Some(nav) if part.key.is_none() => {
                        let to = self.catalogue.follow(e, nav.to).first().copied();
                        Target::One(to.ok_or_else(|| nowhere(part))?)
                    }
                    Some(_) => return Err(Fault::new(400, "one entity is named without an id")),
                    None => match e.kind().property(&part.name) {
                        Some(name) if part.key.is_none() => Target::Property(e, name, Vec::new()),
                        _ => {
                            let names = e.kind().properties().join(", ");
                            let ways: Vec<&str> = e.kind().navs().iter().map(|n| n.name).collect();
                            return Err(nowhere(part)
                                .hint(format!("from here lead {names}, {}", ways.join(", "))));
                        }
                    },
                },
                Target::Property(e, name, mut members)
                    if has_members(name) && part.key.is_none() =>
                {
                    members.push(part.name.clone());
                    Target::Property(e, name, members)
                }
                Target::Property(..) => return Err(nowhere(part)),
                Target::Set(kind, _) => {
                    return Err(nowhere(part).hint(format!("name one entity: {}('…')", kind.set())));
                }
            };
            target = next;
        }
        Ok(target)
    }

    /// A set, or the entity in it that the key names.
    async fn enter(&self, kind: Kind, set: Source, part: &Part) -> Result<Target, Fault> {
        let Some(key) = &part.key else { return Ok(Target::Set(kind, set)) };
        let nothing =
            || Fault::new(404, format!("there is no {}('{}') here", kind.set(), shown(key)));
        let found = match &set {
            Source::Entities(all) => self.catalogue.find(kind, key).filter(|e| all.contains(e)),
            Source::Observations(streams) => {
                let (stream, ms, n) = id::parse_observation(key).ok_or_else(nothing)?;
                match self.catalogue.stream(stream).filter(|s| streams.contains(s)) {
                    Some(stream) => self.observation(stream, Timestamp(ms), n).await?,
                    None => None,
                }
            }
        };
        found.map(Target::One).ok_or_else(nothing)
    }

    async fn observation(
        &self,
        stream: usize,
        time: Timestamp,
        n: usize,
    ) -> Result<Option<Entity>, Fault> {
        if n >= 100_000 || Timestamp::from_epoch_ms(time.0).is_err() {
            return Ok(None);
        }
        self.read()?;
        let series = self.catalogue.series(stream);
        let query =
            RangeQuery { series, from: time, to: time.plus_ms(1), step: None, limit: n + 1 };
        let found = self.history.range(&query).await.map_err(|e| unavailable(&e))?;
        let point = found.points.get(n).copied();
        Ok(point.map(|point| Entity::Observation(Observed { stream, point, n })))
    }

    async fn property(
        &self,
        e: Entity,
        name: &'static str,
        members: &[String],
        form: Form,
    ) -> Result<Answer, Fault> {
        let span = match e {
            Entity::Datastream(s) if name.ends_with("Time") => self.span(s).await?,
            _ => None,
        };
        let mut value = self.catalogue.value(e, name, self.base, span);
        for member in members {
            let inner = value.as_ref().and_then(|v| match v {
                Value::Array(list) => list.get(member.parse::<usize>().ok()?).cloned(),
                _ => v.get(member).cloned(),
            });
            value = Some(inner.ok_or_else(|| {
                Fault::new(404, format!("there is no {} in {name}", shown(member)))
            })?);
        }
        let title = members.last().map_or(name, String::as_str);
        match (value.unwrap_or_default(), form) {
            (Value::Null, _) => Ok(Answer::of("text/plain; charset=utf-8", "").status(204)),
            (Value::String(text), Form::Bare) => Ok(Answer::of("text/plain; charset=utf-8", text)),
            (value, Form::Bare) => Ok(Answer::of("text/plain; charset=utf-8", value.to_string())),
            (value, _) => Ok(json_answer(&json!({title: value}))),
        }
    }
}

fn json_answer(value: &Value) -> Answer {
    Answer::of("application/json", value.to_string())
}
