//! The server library: routes, jobs, mail, TLS.
