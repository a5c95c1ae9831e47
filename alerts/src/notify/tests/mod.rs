mod config;
mod fake;
mod groups;
mod run;
