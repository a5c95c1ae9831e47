//! What a request's JSON may look like, checked before anything is made of it.
