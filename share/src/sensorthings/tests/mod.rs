mod language;
mod requests;
