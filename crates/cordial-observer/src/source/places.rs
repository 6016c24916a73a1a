//! The places of a scan. A program spawns from few places, so a scan keeps each place once, and for each process only the number of its place.

use std::collections::HashMap;

use cordial::Location;

/// The number of a place in its scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PlaceId(u32);

/// The places of a scan, with the number of processes of each.
#[derive(Debug, Default)]
pub(crate) struct Places {
    all: Vec<Place>,
    ids: HashMap<Location, PlaceId>,
    /// The place that was looked up last: neighboring processes often have the same one.
    last: Option<(Location, PlaceId)>,
}

#[derive(Debug)]
struct Place {
    location: Location,
    text: String,
    count: usize,
}

impl Places {
    /// Counts one more process of a place.
    pub(crate) fn add(&mut self, location: &Location) -> PlaceId {
        let id = match &self.last {
            Some((last, id)) if last == location => *id,
            _ => self.id_of(location),
        };
        self.all[id.0 as usize].count += 1;
        id
    }

    fn id_of(&mut self, location: &Location) -> PlaceId {
        let id = match self.ids.get(location) {
            Some(id) => *id,
            None => {
                let id = PlaceId(u32::try_from(self.all.len()).expect("a program has fewer than 2^32 places"));
                self.all.push(Place { location: location.clone(), text: location.to_string(), count: 0 });
                self.ids.insert(location.clone(), id);
                id
            }
        };
        self.last = Some((location.clone(), id));
        id
    }

    pub(crate) fn text(&self, id: PlaceId) -> &str {
        &self.all[id.0 as usize].text
    }

    /// Returns the location of a place, to sort by file, line and column.
    pub(crate) fn location(&self, id: PlaceId) -> &Location {
        &self.all[id.0 as usize].location
    }

    /// Returns what `f` returns for the text of each place, in the order of the numbers of the places.
    pub(crate) fn map<T>(&self, f: impl Fn(&str) -> T) -> Vec<T> {
        self.all.iter().map(|place| f(&place.text)).collect()
    }

    /// Returns the places with the number of processes of each.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&str, usize)> {
        self.all.iter().map(|place| (&*place.text, place.count))
    }
}

impl PlaceId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}
