//! The language of `$filter` and `$orderby` as a tree, and its text.

use std::fmt;

use super::geometry::Geometry;
use super::when;

/// An expression and where it stands in the text (byte).
#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub at: usize,
    pub is: Is,
}

impl PartialEq for Expr {
    /// The same expression, wherever it stands.
    fn eq(&self, other: &Self) -> bool {
        self.is == other.is
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Is {
    Literal(Literal),
    /// `Datastream/ObservedProperty/name`.
    Path(Vec<String>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Both(Op, Box<Expr>, Box<Expr>),
    Call(Function, Vec<Expr>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// ms since 1970.
    Time(i64),
    /// From and to, ms since 1970.
    Period(i64, i64),
    /// Days since 1970.
    Date(i64),
    /// ms since midnight.
    Clock(i64),
    /// ms.
    Duration(i64),
    Geometry(Geometry),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

impl Op {
    pub(super) const ALL: [Self; 13] = [
        Self::Or,
        Self::And,
        Self::Eq,
        Self::Ne,
        Self::Gt,
        Self::Ge,
        Self::Lt,
        Self::Le,
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Mod,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
            Self::Mod => "mod",
        }
    }

    /// Binds tighter with a larger number (OData 4.0 part 2, 5.1.1.9).
    pub(super) fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Eq | Self::Ne => 3,
            Self::Gt | Self::Ge | Self::Lt | Self::Le => 4,
            Self::Add | Self::Sub => 5,
            Self::Mul | Self::Div | Self::Mod => 6,
        }
    }

    /// The comparison with its sides exchanged.
    pub(super) fn flipped(self) -> Self {
        match self {
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            same => same,
        }
    }
}

macro_rules! functions {
    ($($name:ident $word:literal $least:literal $most:literal;)*) => {
        /// A built-in function (18-088, tables 24 and 25; `contains` as OData 4 has it).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Function { $($name),* }

        impl Function {
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),*];

            pub(super) fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// Fewest and most arguments.
            pub(super) fn arguments(self) -> (usize, usize) {
                match self { $(Self::$name => ($least, $most)),* }
            }
        }
    };
}

functions! {
    SubstringOf "substringof" 2 2;
    Contains "contains" 2 2;
    EndsWith "endswith" 2 2;
    StartsWith "startswith" 2 2;
    Length "length" 1 1;
    IndexOf "indexof" 2 2;
    Substring "substring" 2 3;
    ToLower "tolower" 1 1;
    ToUpper "toupper" 1 1;
    Trim "trim" 1 1;
    Concat "concat" 2 2;
    Year "year" 1 1;
    Month "month" 1 1;
    Day "day" 1 1;
    Hour "hour" 1 1;
    Minute "minute" 1 1;
    Second "second" 1 1;
    FractionalSeconds "fractionalseconds" 1 1;
    Date "date" 1 1;
    Time "time" 1 1;
    TotalOffsetMinutes "totaloffsetminutes" 1 1;
    Now "now" 0 0;
    MinDateTime "mindatetime" 0 0;
    MaxDateTime "maxdatetime" 0 0;
    Round "round" 1 1;
    Floor "floor" 1 1;
    Ceiling "ceiling" 1 1;
    GeoDistance "geo.distance" 2 2;
    GeoLength "geo.length" 1 1;
    GeoIntersects "geo.intersects" 2 2;
    StEquals "st_equals" 2 2;
    StDisjoint "st_disjoint" 2 2;
    StTouches "st_touches" 2 2;
    StWithin "st_within" 2 2;
    StOverlaps "st_overlaps" 2 2;
    StCrosses "st_crosses" 2 2;
    StIntersects "st_intersects" 2 2;
    StContains "st_contains" 2 2;
    StRelate "st_relate" 3 3;
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Number(n) => write!(f, "{n:?}"),
            Self::Text(t) => write!(f, "'{}'", t.replace('\'', "''")),
            Self::Time(ms) => f.write_str(&when::time(*ms)),
            Self::Period(from, to) => f.write_str(&when::period(*from, *to)),
            Self::Date(day) => f.write_str(&when::date(*day)),
            Self::Clock(ms) => f.write_str(&when::clock(*ms)),
            Self::Duration(ms) => write!(f, "duration'{}'", when::duration(*ms)),
            Self::Geometry(g) => write!(f, "geography'{g}'"),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.is {
            Is::Literal(l) => write!(f, "{l}"),
            Is::Path(parts) => f.write_str(&parts.join("/")),
            Is::Not(e) => write!(f, "not ({e})"),
            Is::Negative(e) => write!(f, "-({e})"),
            Is::Both(op, a, b) => write!(f, "({a}) {} ({b})", op.word()),
            Is::Call(function, arguments) => {
                write!(f, "{}(", function.word())?;
                for (i, a) in arguments.iter().enumerate() {
                    write!(f, "{}{a}", if i == 0 { "" } else { "," })?;
                }
                f.write_str(")")
            }
        }
    }
}
