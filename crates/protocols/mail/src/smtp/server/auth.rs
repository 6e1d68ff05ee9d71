// SPDX-License-Identifier: EUPL-1.2
//! AUTH PLAIN (RFC 4616) and AUTH LOGIN: the exchange within a session (RFC 4954).
//!
//! Guarantees: passwords live in [`SecretString`] and in buffers that are overwritten before they are
//! freed; lengths are capped by the command line cap. Not here: checking a password.

use super::config::AuthPolicy;
use super::session::{Ask, Session, State, Step};
use super::{Identity, Unavailable};
use crate::smtp::Reply;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroize};
use std::sync::Arc;

impl Session {
    pub(super) fn auth_allowed(&self) -> bool {
        match self.config.auth {
            AuthPolicy::Off => false,
            AuthPolicy::UnderTls => self.peer.tls.is_some(),
            AuthPolicy::Always => true,
        }
    }

    pub(super) fn auth(&mut self, exchange: State, initial: Option<&SecretString>) -> Option<Step> {
        let refused = if self.config.auth == AuthPolicy::Off {
            Some(Reply::new(502, (5, 5, 1), "AUTH is not offered"))
        } else if !self.auth_allowed() {
            Some(Reply::new(538, (5, 7, 11), "AUTH needs TLS"))
        } else if !self.peer.esmtp || self.envelope.is_some() || self.peer.identity.is_some() {
            Some(Reply::new(503, (5, 5, 1), "AUTH comes once, after EHLO and before MAIL"))
        } else {
            None
        };
        if let Some(reply) = refused {
            self.fault(&reply);
            return None;
        }
        match initial {
            Some(initial) => self.auth_line(exchange, initial.expose_secret()),
            None => {
                let challenge = if matches!(exchange, State::AuthPlain) { "" } else { "VXNlcm5hbWU6" };
                self.say(&Reply::plain(334, challenge));
                self.state = exchange;
                None
            }
        }
    }

    pub(super) fn auth_line(&mut self, exchange: State, text: &str) -> Option<Step> {
        let credentials = match exchange {
            _ if text == "*" => {
                self.fault(&Reply::new(501, (5, 7, 0), "authentication cancelled"));
                return None;
            }
            State::AuthLoginUser => match login_user(text) {
                Ok(user) => {
                    self.say(&Reply::plain(334, "UGFzc3dvcmQ6"));
                    self.state = State::AuthLoginPassword(user);
                    return None;
                }
                Err(e) => Err(e),
            },
            State::AuthLoginPassword(user) => login_password(text).map(|password| (user, password)),
            _ => plain(text),
        };
        match credentials {
            Ok((user, password)) => {
                self.state = State::Asked;
                Some(Step::Ask(Ask::Auth { user, password }))
            }
            Err(Undecodable) => {
                self.fault(&Reply::new(501, (5, 5, 2), "cannot decode this answer"));
                None
            }
        }
    }

    /// Answers [`Ask::Auth`].
    pub fn answer_auth(&mut self, answer: Result<Option<Identity>, Unavailable>) {
        self.state = State::Command;
        match answer {
            Ok(Some(identity)) => {
                Arc::make_mut(&mut self.peer).identity = Some(identity);
                self.say(&Reply::new(235, (2, 7, 0), "authenticated"));
            }
            Ok(None) => {
                self.auth_failures += 1;
                if self.auth_failures >= self.config.limits.auth_failures {
                    let cap = self.config.limits.auth_failures;
                    self.close_with(&Reply::new(
                        421,
                        (4, 7, 0),
                        format!("too many failed authentications (limit {cap})"),
                    ));
                } else {
                    self.say(&Reply::new(535, (5, 7, 8), "user name or password wrong"));
                }
            }
            Err(Unavailable) => {
                self.say(&Reply::new(454, (4, 7, 0), "authentication is not available now, try later"));
            }
        }
    }
}

/// The answer could not be decoded (501 5.5.2).
#[derive(Debug, PartialEq, Eq)]
struct Undecodable;

/// Decodes `authzid NUL authcid NUL password`. An `authzid` other than the user is refused.
fn plain(line: &str) -> Result<(String, SecretString), Undecodable> {
    let mut raw = decode(line)?;
    let result = (|| {
        let text = std::str::from_utf8(&raw).map_err(|_| Undecodable)?;
        let mut parts = text.split('\0');
        let (Some(acts_as), Some(user), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Undecodable);
        };
        if user.is_empty() || !(acts_as.is_empty() || acts_as == user) {
            return Err(Undecodable);
        }
        Ok((user.to_owned(), SecretString::from(password)))
    })();
    raw.zeroize();
    result
}

/// Decodes the user name of AUTH LOGIN.
fn login_user(line: &str) -> Result<String, Undecodable> {
    match String::from_utf8(decode(line)?) {
        Ok(user) if !user.is_empty() && !user.contains('\0') => Ok(user),
        _ => Err(Undecodable),
    }
}

/// Decodes the password of AUTH LOGIN.
fn login_password(line: &str) -> Result<SecretString, Undecodable> {
    let mut raw = decode(line)?;
    let secret = std::str::from_utf8(&raw).map(SecretString::from).map_err(|_| Undecodable);
    raw.zeroize();
    secret
}

/// Base64; a single `=` stands for an empty answer (RFC 4954 §4).
fn decode(line: &str) -> Result<Vec<u8>, Undecodable> {
    if line == "=" {
        return Ok(Vec::new());
    }
    STANDARD.decode(line).map_err(|_| Undecodable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn plain_forms() {
        for (raw, fine) in [
            ("\0u\0p", true),
            ("u\0u\0p", true),
            ("v\0u\0p", false),
            ("\0u", false),
            ("\0\0p", false),
            ("\0u\0p\0x", false),
        ] {
            assert_eq!(plain(&STANDARD.encode(raw)).is_ok(), fine, "{raw:?}");
        }
        assert_eq!(plain("!!").unwrap_err(), Undecodable);
        let (user, password) = plain(&STANDARD.encode("\0ü\0geheim")).unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("ü", "geheim"));
    }

    #[test]
    fn login_forms() {
        assert_eq!(login_user("dQ==").unwrap(), "u");
        assert!(login_user("=").is_err());
        assert_eq!(login_password("cA==").unwrap().expose_secret(), "p");
        assert_eq!(login_password("=").unwrap().expose_secret(), "");
    }
}
