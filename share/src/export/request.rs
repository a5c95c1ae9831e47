//! The parameters of an export, checked.

use std::fmt;

use ioc_model::{Aggregate, Name, Step, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::columns::Column;
use super::mark::Mark;
use super::refusal::Refusal;
use super::zone::Zone;

/// Parameters of one request, and names in all its lists.
const MAX_PARAMETERS: usize = 256;
const MAX_NAMES: usize = 1_000;
/// Longest name.
const MAX_NAME_CHARS: usize = 256;
const DAY_MS: i64 = 86_400_000;
const NAMES: [&str; 13] = [
    "format", "device", "service", "area", "property", "from", "to", "step", "offset", "agg",
    "lang", "limit", "resume",
];

/// Kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For spreadsheets and everything else.
    Csv,
    /// For DuckDB, pandas, Spark.
    Parquet,
    /// For maps.
    GeoJson,
    /// For InfluxDB and its kin.
    Lines,
}

impl Format {
    /// From the word of `format=`.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "csv" => Self::Csv,
            "parquet" => Self::Parquet,
            "geojson" => Self::GeoJson,
            "lp" => Self::Lines,
            _ => return None,
        })
    }

    /// Word of `format=`, and ending of file names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::GeoJson => "geojson",
            Self::Lines => "lp",
        }
    }

    /// Media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::GeoJson => "application/geo+json",
            Self::Lines => "text/plain; charset=utf-8",
        }
    }
}

/// Language of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

/// What is asked for. Empty lists mean all.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Kind of file.
    pub format: Format,
    /// Devices by id.
    pub devices: Vec<Name>,
    /// Services by code.
    pub services: Vec<Name>,
    /// Areas by id.
    pub areas: Vec<Name>,
    /// Properties by name.
    pub properties: Vec<Name>,
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
    /// Windows instead of raw points, with these columns.
    pub windows: Option<(Step, Vec<Column>)>,
    /// Language of names.
    pub lang: Lang,
    /// At most so many rows.
    pub limit: Option<u64>,
    /// Goes on behind this row.
    pub resume: Option<Mark>,
}

impl Request {
    /// Reads a query string; times without an offset are those of `zone`, `to` is by default
    /// `now`, `from` a day before it.
    ///
    /// # Errors
    /// A 400 that names the parameter.
    pub fn parse(query: &str, zone: &Zone, now: Timestamp) -> Result<Self, Refusal> {
        let query = Query::parse(query)?;
        let format = query.one("format")?.unwrap_or("csv");
        let format = Format::parse(format)
            .ok_or_else(|| bad("format", "is not csv, parquet, geojson or lp"))?;
        let to = query.time("to", zone)?.unwrap_or(now.plus_ms(1));
        let from = query.time("from", zone)?.unwrap_or(to.plus_ms(-DAY_MS));
        if from >= to {
            return Err(bad("from", "is not before `to`"));
        }
        let resume = query.one("resume")?.map(str::parse::<Mark>).transpose();
        let resume = resume.map_err(|()| bad("resume", "is not device,property,time,skip"))?;
        if resume.as_ref().is_some_and(|m| m.time >= to) {
            return Err(bad("resume", "has a time that is not before `to`"));
        }
        if resume.is_some() && format == Format::Parquet {
            return Err(bad("resume", "needs csv, geojson or lp: Parquet has no rows to stop at"));
        }
        Ok(Self {
            format,
            devices: query.list("device")?,
            services: query.list("service")?,
            areas: query.list("area")?,
            properties: query.list("property")?,
            from,
            to,
            windows: windows(&query, format)?,
            lang: match query.one("lang")? {
                None | Some("vi") => Lang::Vi,
                Some("en") => Lang::En,
                Some(_) => return Err(bad("lang", "is not vi or en")),
            },
            limit: match query.integer("limit")? {
                None => None,
                Some(n) => {
                    let n = u64::try_from(n).ok().filter(|n| *n > 0);
                    Some(n.ok_or_else(|| bad("limit", "is not at least 1"))?)
                }
            },
            resume,
        })
    }
}

/// The query that asks for the same; times in ms.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "format={}&from={}&to={}", self.format.word(), self.from.0, self.to.0)?;
        let lists = [
            ("device", &self.devices),
            ("service", &self.services),
            ("area", &self.areas),
            ("property", &self.properties),
        ];
        for (name, list) in lists {
            for text in list {
                write!(f, "&{name}={}", utf8_percent_encode(text, NON_ALPHANUMERIC))?;
            }
        }
        if let Some((step, columns)) = &self.windows {
            let columns: Vec<&str> = columns.iter().map(|c| c.name()).collect();
            write!(f, "&step={}&offset={}&agg={}", step.ms, step.offset_ms, columns.join(","))?;
        }
        if self.lang == Lang::En {
            f.write_str("&lang=en")?;
        }
        if let Some(limit) = self.limit {
            write!(f, "&limit={limit}")?;
        }
        match &self.resume {
            Some(mark) => {
                let mark = mark.to_string();
                write!(f, "&resume={}", utf8_percent_encode(&mark, NON_ALPHANUMERIC))
            }
            None => Ok(()),
        }
    }
}

fn windows(query: &Query, format: Format) -> Result<Option<(Step, Vec<Column>)>, Refusal> {
    let Some(ms) = query.integer("step")? else {
        return match query.one("agg")?.or(query.one("offset")?) {
            Some(_) => Err(bad("step", "is missing: `agg` and `offset` are about windows")),
            None => Ok(None),
        };
    };
    if ms < 1 {
        return Err(bad("step", "is not at least 1 ms"));
    }
    let step = Step { ms, offset_ms: query.integer("offset")?.unwrap_or(0) };
    let column = |word: &Name| {
        let found = Column::ALL.into_iter().find(|c| c.name() == &**word);
        found.ok_or_else(|| bad("agg", "is not of min, max, mean, sum, count, last, bad"))
    };
    let named: Vec<Column> =
        query.list("agg")?.iter().map(column).collect::<Result<_, Refusal>>()?;
    let columns = match (format, named.len()) {
        (Format::Lines, 0) => vec![Column::Of(Aggregate::Mean)],
        (Format::Lines, 2..) => {
            return Err(bad("agg", "names several: line protocol carries one value a line"));
        }
        (_, 0) => Column::ALL.to_vec(),
        _ => Column::ALL.into_iter().filter(|c| named.contains(c)).collect(),
    };
    Ok(Some((step, columns)))
}

fn bad(name: &str, problem: &str) -> Refusal {
    Refusal::parameter(name, problem)
}

/// Names and values, decoded.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(raw: &str) -> Result<Self, Refusal> {
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            percent_decode_str(&text).decode_utf8().map(|t| t.into_owned()).ok()
        };
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = decode(name).zip(decode(value)).filter(|_| pairs.len() < MAX_PARAMETERS);
            let (name, value) = decoded.ok_or_else(|| {
                let message = "the query is not at most 256 percent-encoded parameters";
                Refusal::new(400, "bad_query", message)
            })?;
            if !NAMES.contains(&name.as_str()) {
                return Err(bad(&name, "is not known here"));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    fn one(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut all = self.all(name);
        let first = all.next();
        if all.next().is_some() { Err(bad(name, "is given twice")) } else { Ok(first) }
    }

    fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let parse = |t: &str| t.parse().map_err(|_| bad(name, "is not an integer"));
        self.one(name)?.map(parse).transpose()
    }

    fn time(&self, name: &str, zone: &Zone) -> Result<Option<Timestamp>, Refusal> {
        let read = |t: &str| {
            let problem = "is no time; such as 2026-11-20, 2026-11-20T08:00:00+07:00 or ms";
            zone.parse(t).ok_or_else(|| bad(name, problem))
        };
        self.one(name)?.map(read).transpose()
    }

    /// Given several times or with commas between; in order, each once.
    fn list(&self, name: &str) -> Result<Vec<Name>, Refusal> {
        let texts = self.all(name).flat_map(|v| v.split(','));
        let mut names: Vec<Name> = Vec::new();
        for text in texts.map(str::trim).filter(|t| !t.is_empty()) {
            let odd = text.chars().count() > MAX_NAME_CHARS || text.chars().any(char::is_control);
            if odd || names.len() >= MAX_NAMES {
                return Err(bad(name, "is not a list of at most 1000 names"));
            }
            names.push(text.into());
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{T0, city};

    fn parse(query: &str) -> Result<Request, String> {
        Request::parse(query, &Zone::of(&city()), T0).map_err(|e| e.message)
    }

    #[test]
    fn lists_repeat_or_have_commas_and_times_are_local() {
        let r = parse(
            "format=geojson&device=b,a&device=c&device=a&property=pm25&from=2025-10-27\
             &to=2025-10-28T08:00:00%2B07:00&lang=en&limit=5&resume=a,pm25,1761588000000,2",
        )
        .expect("good");
        assert_eq!(r.devices, ["a", "b", "c"].map(Name::from));
        assert_eq!((r.to.0 - r.from.0) / 3_600_000, 32);
        assert_eq!((r.format, r.lang, r.limit), (Format::GeoJson, Lang::En, Some(5)));
        assert_eq!(r.resume.map(|m| m.skip), Some(2));
        let r = parse("").expect("all has a default");
        assert_eq!((r.format, r.to, r.from), (Format::Csv, T0.plus_ms(1), r.to.plus_ms(-DAY_MS)));
        let r = parse("step=60000&agg=max,min").expect("good");
        let (step, columns) = r.windows.expect("windows");
        assert_eq!(step, Step::of(60_000));
        assert_eq!(columns, [Column::Of(Aggregate::Min), Column::Of(Aggregate::Max)]);
    }

    #[test]
    fn a_request_writes_a_query_that_asks_for_the_same() {
        for query in [
            "",
            "format=geojson&device=b,a%26x&area=x&lang=en&limit=5&resume=a%2526,p,1761580000000,2",
            "format=lp&service=air&property=pm25&step=60000&offset=-5&agg=last",
            "step=3600000&agg=max,min",
        ] {
            let request = parse(query).expect("good");
            assert_eq!(parse(&request.to_string()), Ok(request), "{query}");
        }
        assert_eq!(parse("device=a%26x").map(|r| r.devices), Ok(vec!["a&x".into()]));
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        for (query, name) in [
            ("format=xlsx", "format"),
            ("from=x", "from"),
            ("from=2025-10-29&to=2025-10-28", "from"),
            ("step=0", "step"),
            ("agg=min", "step"),
            ("step=60000&agg=median", "agg"),
            ("format=lp&step=60000&agg=min,max", "agg"),
            ("limit=0", "limit"),
            ("lang=fr", "lang"),
            ("lang=vi&lang=en", "lang"),
            ("resume=a,b,c", "resume"),
            ("format=parquet&resume=a,b,1,1", "resume"),
            ("to=1761588000000&resume=a,b,1761588000000,1", "resume"),
            ("devices=a", "devices"),
            ("device=a%0ab", "device"),
        ] {
            let message = parse(query).expect_err("refused");
            assert!(message.starts_with(&format!("parameter `{name}` ")), "{query}: {message}");
        }
        assert!(parse("device=%ff").is_err());
        assert!(parse(&"device=a&".repeat(257)).is_err());
        let many: Vec<String> = (0..1_001).map(|n| n.to_string()).collect();
        assert!(parse(&format!("device={}", many.join(","))).is_err());
    }
}
