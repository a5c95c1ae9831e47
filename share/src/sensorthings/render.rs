//! Entities as JSON.

use std::future::Future;
use std::pin::Pin;

use serde_json::{Map, Value, json};

use super::catalogue::{Entity, Observed};
use super::fault::Fault;
use super::kind::Kind;
use super::list::{Page, Source};
use super::options::{Expand, Options};
use super::work::Work;

/// Columns of `$resultFormat=dataArray` without `$select`.
const COLUMNS: [&str; 5] = ["@iot.id", "phenomenonTime", "resultTime", "result", "resultQuality"];

impl Work<'_> {
    pub(super) fn link(&self, e: Entity) -> String {
        format!("{}/{}('{}')", self.base, e.kind().set(), self.catalogue.id(e))
    }

    /// One entity with what is selected and expanded.
    pub(super) fn render<'f>(
        &'f self,
        e: Entity,
        options: &'f Options,
    ) -> Pin<Box<dyn Future<Output = Result<Value, Fault>> + Send + 'f>> {
        Box::pin(async move {
            self.entity()?;
            let mut map = self.properties(e, options).await?;
            for expand in &options.expand {
                self.expand(e, expand, &mut map).await?;
            }
            Ok(Value::Object(map))
        })
    }

    async fn properties(&self, e: Entity, options: &Options) -> Result<Map<String, Value>, Fault> {
        let kind = e.kind();
        let selected = |name: &str| options.select.as_ref().is_none_or(|s| s.contains(&name));
        let mut map = Map::new();
        let span = match e {
            Entity::Datastream(s) if selected("phenomenonTime") || selected("resultTime") => {
                self.span(s).await?
            }
            _ => None,
        };
        let link = self.link(e);
        if selected("@iot.selfLink") {
            map.insert("@iot.selfLink".to_owned(), json!(link));
        }
        for name in ["@iot.id"].iter().chain(kind.properties()).filter(|n| selected(n)) {
            if let Some(value) = self.catalogue.value(e, name, self.base, span) {
                map.insert((*name).to_owned(), value);
            }
        }
        for nav in kind.navs().iter().filter(|n| selected(n.name)) {
            if options.expand.iter().all(|x| x.nav.name != nav.name) {
                let key = format!("{}@iot.navigationLink", nav.name);
                map.insert(key, json!(format!("{link}/{}", nav.name)));
            }
        }
        Ok(map)
    }

    async fn expand(
        &self,
        e: Entity,
        expand: &Expand,
        map: &mut Map<String, Value>,
    ) -> Result<(), Fault> {
        let name = expand.nav.name;
        let source = self.lead(e, expand.nav.to);
        if !expand.nav.many {
            let one = match &source {
                Source::Entities(list) => list.first().copied(),
                Source::Observations(_) => None,
            };
            let value = match one {
                Some(one) => self.render(one, &expand.options).await?,
                None => Value::Null,
            };
            map.insert(name.to_owned(), value);
            return Ok(());
        }
        let page = self.list(&source, &expand.options).await?;
        let mut list = Vec::with_capacity(page.entities.len());
        for inner in &page.entities {
            list.push(self.render(*inner, &expand.options).await?);
        }
        if let Some(count) = page.count {
            map.insert(format!("{name}@iot.count"), json!(count));
        }
        if let Some((skip, after)) = &page.next {
            let query = expand.options.next(*skip, after.as_deref());
            let link = format!("{}/{name}{query}", self.link(e));
            map.insert(format!("{name}@iot.nextLink"), json!(link));
        }
        map.insert(name.to_owned(), Value::Array(list));
        Ok(())
    }

    /// What a way leads to.
    pub(super) fn lead(&self, e: Entity, to: Kind) -> Source {
        match to {
            Kind::Observation => Source::Observations(self.catalogue.streams_of(e)),
            _ => Source::Entities(self.catalogue.follow(e, to)),
        }
    }

    /// A set as it is sent; `at` is the address it was asked at.
    pub(super) async fn render_set(
        &self,
        mut page: Page,
        options: &Options,
        at: &str,
        refs: bool,
    ) -> Result<Value, Fault> {
        let value = if options.data_array && !refs {
            if !options.expand.is_empty() {
                return Err(Fault::new(400, "$expand cannot be used with $resultFormat=dataArray"));
            }
            self.arrays(&page, options)
        } else {
            let mut list = Vec::with_capacity(page.entities.len());
            for (i, e) in page.entities.iter().enumerate() {
                let one = match refs {
                    true => Ok(json!({"@iot.selfLink": self.link(*e)})),
                    false => self.render(*e, options).await,
                };
                match one {
                    Ok(one) => list.push(one),
                    // What is there is sent; the rest is another page.
                    Err(f) if f.too_much && i > 0 => {
                        let after = page.entities[i - 1];
                        let id = matches!(after, Entity::Observation(_))
                            .then(|| self.catalogue.id(after));
                        page.next = Some((options.skip + i, id));
                        break;
                    }
                    Err(f) => return Err(f),
                }
            }
            Value::Array(list)
        };
        let mut map = Map::new();
        if let Some(count) = page.count {
            map.insert("@iot.count".to_owned(), json!(count));
        }
        if let Some((skip, after)) = &page.next {
            let link = format!("{at}{}", options.next(*skip, after.as_deref()));
            map.insert("@iot.nextLink".to_owned(), json!(link));
        }
        map.insert("value".to_owned(), value);
        Ok(Value::Object(map))
    }

    /// Observations as rows, by datastream (18-088, 12).
    fn arrays(&self, page: &Page, options: &Options) -> Value {
        let columns: Vec<&str> = match &options.select {
            Some(names) => {
                names.iter().copied().filter(|n| Kind::Observation.property(n).is_some()).collect()
            }
            None => COLUMNS.to_vec(),
        };
        let titles: Vec<&str> =
            columns.iter().map(|c| if *c == "@iot.id" { "id" } else { *c }).collect();
        let mut groups: Vec<(usize, Vec<Value>)> = Vec::new();
        let mut of = std::collections::HashMap::new();
        for e in &page.entities {
            let Entity::Observation(Observed { stream, .. }) = e else { continue };
            let group = *of.entry(*stream).or_insert_with(|| {
                groups.push((*stream, Vec::new()));
                groups.len() - 1
            });
            let row = |c: &&str| self.catalogue.value(*e, c, self.base, None);
            let row: Vec<Value> = columns.iter().map(|c| row(c).unwrap_or_default()).collect();
            groups[group].1.push(Value::Array(row));
        }
        let group = |(stream, rows): (usize, Vec<Value>)| {
            json!({
                "Datastream@iot.navigationLink": self.link(Entity::Datastream(stream)),
                "components": titles,
                "dataArray@iot.count": rows.len(),
                "dataArray": rows,
            })
        };
        Value::Array(groups.into_iter().map(group).collect())
    }
}
