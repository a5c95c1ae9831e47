//! What a file of devices says of one, by name: the same words in CSV and GeoJSON.

/// A column of CSV, a property of a GeoJSON feature, a field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Id,
    NameVi,
    NameEn,
    Kind,
    Service,
    Area,
    Lat,
    Lon,
    Properties,
    CadenceS,
    Parent,
    Segment,
    Bridge,
    Topics,
    Aliases,
    Fields,
    Contact,
    Tags,
    State,
}

/// How many there are.
pub(super) const COLUMNS: usize = 19;

impl Column {
    /// In the order of exports; the first twelve are those of `devices.csv`.
    pub(super) const ALL: [(Self, &'static str); COLUMNS] = [
        (Self::Id, "id"),
        (Self::NameVi, "name_vi"),
        (Self::NameEn, "name_en"),
        (Self::Kind, "kind"),
        (Self::Service, "service"),
        (Self::Area, "area"),
        (Self::Lat, "lat"),
        (Self::Lon, "lon"),
        (Self::Properties, "properties"),
        (Self::CadenceS, "cadence_s"),
        (Self::Parent, "parent"),
        (Self::Segment, "segment"),
        (Self::Bridge, "bridge"),
        (Self::Topics, "topics"),
        (Self::Aliases, "aliases"),
        (Self::Fields, "fields"),
        (Self::Contact, "contact"),
        (Self::Tags, "tags"),
        (Self::State, "state"),
    ];

    pub(super) fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, w)| *w == word).map(|(column, _)| *column)
    }
}

/// The words of all columns, for hints.
pub(super) fn words() -> String {
    Column::ALL.map(|(_, word)| word).join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_stands_at_its_own_number() {
        for (n, (column, word)) in Column::ALL.into_iter().enumerate() {
            assert_eq!((column as usize, column.word(), Column::of(word)), (n, word, Some(column)));
        }
    }
}
