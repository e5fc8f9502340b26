//! The client library: session, directory, send, receive, resume.
