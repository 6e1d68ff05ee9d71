// SPDX-License-Identifier: EUPL-1.2
//! One command line read (RFC 5321 §4.1, RFC 1870, RFC 3461 §4, RFC 4954 §4, RFC 6152, RFC 6531 §3).
//!
//! Guarantees: a parameter we did not offer is refused (555), never ignored: REQUIRETLS or a delivery
//! deadline silently dropped would be a lie. Decoded ENVID and ORCPT are printable.
//! Verbs and parameters are read by `smtp-proto`; the path by [`address`](crate::smtp::Address) because
//! quoting must survive, and ORCPT here because other address types than `rfc822` exist (RFC 6533).
//! Not here: the order of commands; see the session.

use crate::smtp::{
    Address, AddressError, BodyType, Notify, Orcpt, Recipient, Reply, Ret, address, xtext_decode,
};
use secrecy::SecretString;
use smtp_proto::{
    AUTH_LOGIN, AUTH_PLAIN, Error, MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_RET_FULL, MAIL_RET_HDRS,
    MAIL_SMTPUTF8, MailFrom, RCPT_NOTIFY_DELAY, RCPT_NOTIFY_FAILURE, RCPT_NOTIFY_NEVER, RCPT_NOTIFY_SUCCESS,
    RcptTo, Request,
};
use std::borrow::Cow;

/// A command that is syntactically right.
#[derive(Debug)]
pub(super) enum Command {
    Hello {
        host: String,
        esmtp: bool,
    },
    StartTls,
    AuthPlain(Option<SecretString>),
    AuthLogin(Option<SecretString>),
    AuthOther,
    Mail(Mail),
    Rcpt(Recipient),
    Data,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    NotImplemented,
    /// A line of HTTP: a browser was made to talk to us.
    Http,
}

/// MAIL with its parameters.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) from: Option<Address>,
    pub(super) size: Option<u64>,
    pub(super) body: BodyType,
    pub(super) smtputf8: bool,
    pub(super) ret: Option<Ret>,
    pub(super) envid: Option<String>,
}

/// Reads a line that ends in CRLF.
pub(super) fn parse(line: &str) -> Result<Command, Reply> {
    let text = line.trim_end();
    if let Some(rest) = path_command(text, "MAIL", "FROM:") {
        return mail(rest).map(Command::Mail);
    }
    if let Some(rest) = path_command(text, "RCPT", "TO:") {
        return rcpt(rest).map(Command::Rcpt);
    }
    let is = |verb: &str| text.eq_ignore_ascii_case(verb);
    match Request::parse(&mut line.as_bytes().iter()) {
        Ok(Request::Ehlo { host }) => Ok(Command::Hello { host: host.into_owned(), esmtp: true }),
        Ok(Request::Helo { host }) => Ok(Command::Hello { host: host.into_owned(), esmtp: false }),
        Ok(Request::StartTls) if is("STARTTLS") => Ok(Command::StartTls),
        Ok(Request::Data) if is("DATA") => Ok(Command::Data),
        Ok(Request::StartTls | Request::Data) => Err(Reply::new(501, (5, 5, 4), "no parameters allowed")),
        Ok(Request::Auth { mechanism, initial_response }) => {
            let initial =
                Some(initial_response).filter(|r| !r.is_empty()).map(|r| SecretString::from(r.as_ref()));
            Ok(match mechanism {
                AUTH_PLAIN => Command::AuthPlain(initial),
                AUTH_LOGIN => Command::AuthLogin(initial),
                _ => Command::AuthOther,
            })
        }
        Ok(Request::Rset) => Ok(Command::Rset),
        Ok(Request::Noop { .. }) => Ok(Command::Noop),
        Ok(Request::Vrfy { .. }) => Ok(Command::Vrfy),
        Ok(Request::Help { .. }) => Ok(Command::Help),
        Ok(Request::Quit) => Ok(Command::Quit),
        Ok(_) => Ok(Command::NotImplemented),
        Err(_) if is_http(text) => Ok(Command::Http),
        Err(Error::UnknownCommand) => Err(Reply::new(500, (5, 5, 1), "command unknown")),
        Err(Error::SyntaxError { syntax }) => Err(Reply::new(501, (5, 5, 4), format!("syntax: {syntax}"))),
        Err(_) => Err(Reply::new(501, (5, 5, 4), "syntax error")),
    }
}

fn is_http(text: &str) -> bool {
    ["GET ", "POST ", "PUT ", "HEAD ", "CONNECT ", "OPTIONS "].iter().any(|v| text.starts_with(v))
}

/// What follows `MAIL FROM:` or `RCPT TO:`; blanks around the colon are let pass, as is common.
fn path_command<'a>(text: &'a str, verb: &str, word: &str) -> Option<&'a str> {
    let rest = strip_word(text, verb)?.strip_prefix(' ')?.trim_start_matches(' ');
    let (name, colon) = word.split_at(word.len() - 1);
    strip_word(rest, name)?.trim_start_matches(' ').strip_prefix(colon)
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then_some(rest)
}

fn mail(rest: &str) -> Result<Mail, Reply> {
    let (from, params) = address::path(rest).map_err(|e| bad_path(e, (5, 1, 7), "sender"))?;
    separated(params)?;
    let p = mail_parameters(params)?;
    let ret = match p.flags & (MAIL_RET_FULL | MAIL_RET_HDRS) {
        0 => None,
        MAIL_RET_FULL => Some(Ret::Full),
        MAIL_RET_HDRS => Some(Ret::Hdrs),
        _ => return Err(twice("RET")),
    };
    let body = match p.flags & (MAIL_BODY_7BIT | MAIL_BODY_8BITMIME) {
        0 | MAIL_BODY_7BIT => BodyType::SevenBit,
        MAIL_BODY_8BITMIME => BodyType::EightBitMime,
        _ => return Err(twice("BODY")),
    };
    let known = MAIL_RET_FULL | MAIL_RET_HDRS | MAIL_BODY_7BIT | MAIL_BODY_8BITMIME | MAIL_SMTPUTF8;
    let unoffered = p.flags & !known != 0
        || p.trans_id.is_some()
        || p.by != 0
        || p.solicit.is_some()
        || p.mtrk.is_some()
        || p.hold_for != 0
        || p.hold_until != 0
        || p.mt_priority != 0;
    if unoffered {
        return Err(Reply::new(555, (5, 5, 4), "parameter not offered"));
    }
    let envid = match token(params, "ENVID=") {
        Some(raw) => Some(
            xtext_decode(raw).ok_or_else(|| Reply::new(501, (5, 5, 4), "ENVID is not printable xtext"))?,
        ),
        None => None,
    };
    // Digits only, smtp-proto has seen to that; a number too large to hold is larger than any cap.
    let size = token(params, "SIZE=").map(|digits| digits.parse().unwrap_or(u64::MAX));
    Ok(Mail { from, size, body, smtputf8: p.flags & MAIL_SMTPUTF8 != 0, ret, envid })
}

fn rcpt(rest: &str) -> Result<Recipient, Reply> {
    let (address, params) = address::path(rest).map_err(|e| bad_path(e, (5, 1, 3), "recipient"))?;
    let address = address.ok_or_else(|| Reply::new(501, (5, 1, 3), "the null path is no recipient"))?;
    separated(params)?;
    let orcpt = token(params, "ORCPT=").map(orcpt).transpose()?;
    let without: Cow<'_, str> = if orcpt.is_some() {
        let words = params.split(' ').filter(|w| strip_word(w, "ORCPT=").is_none());
        Cow::Owned(words.collect::<Vec<_>>().join(" "))
    } else {
        Cow::Borrowed(params)
    };
    let p = rcpt_parameters(&without)?;
    let all = RCPT_NOTIFY_SUCCESS | RCPT_NOTIFY_FAILURE | RCPT_NOTIFY_DELAY;
    if p.flags & !(all | RCPT_NOTIFY_NEVER) != 0 || p.rrvs != 0 {
        return Err(Reply::new(555, (5, 5, 4), "parameter not offered"));
    }
    let has = |flag| p.flags & flag != 0;
    let notify = match (has(RCPT_NOTIFY_NEVER), p.flags & all) {
        (false, 0) => None,
        (true, 0) => Some(Notify::Never),
        (true, _) => return Err(Reply::new(501, (5, 5, 4), "NOTIFY=NEVER stands alone")),
        (false, _) => Some(Notify::On {
            success: has(RCPT_NOTIFY_SUCCESS),
            failure: has(RCPT_NOTIFY_FAILURE),
            delay: has(RCPT_NOTIFY_DELAY),
        }),
    };
    Ok(Recipient { address, notify, orcpt })
}

/// Parameters of MAIL, read behind a null path so that only they are looked at.
fn mail_parameters(params: &str) -> Result<MailFrom<String>, Reply> {
    let wire = format!("MAIL FROM:<>{params}\r\n");
    match Request::parse(&mut wire.as_bytes().iter()) {
        Ok(Request::Mail { from }) => Ok(from.into_owned()),
        Ok(_) => Err(Reply::new(501, (5, 5, 4), "syntax error")),
        Err(e) => Err(bad_parameter(e)),
    }
}

fn rcpt_parameters(params: &str) -> Result<RcptTo<String>, Reply> {
    let wire = format!("RCPT TO:<a@b>{params}\r\n");
    match Request::parse(&mut wire.as_bytes().iter()) {
        Ok(Request::Rcpt { to }) => Ok(to.into_owned()),
        Ok(_) => Err(Reply::new(501, (5, 5, 4), "syntax error")),
        Err(e) => Err(bad_parameter(e)),
    }
}

/// Value of a parameter as written.
fn token<'a>(params: &'a str, name: &str) -> Option<&'a str> {
    params.split(' ').find_map(|w| strip_word(w, name))
}

fn orcpt(raw: &str) -> Result<Orcpt, Reply> {
    let bad = || Reply::new(501, (5, 5, 4), "syntax: ORCPT=type;xtext");
    let (kind, address) = raw.split_once(';').ok_or_else(bad)?;
    let named = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    // RFC 3461 §4.2: at most 500 octets; smtp-proto's 256 for a decoded address is kept out of the way.
    if !named || raw.len() > 500 {
        return Err(bad());
    }
    let address = xtext_decode(address).filter(|a| !a.is_empty()).ok_or_else(bad)?;
    Ok(Orcpt { kind: kind.to_ascii_lowercase(), address })
}

/// Parameters follow the path after a blank.
fn separated(params: &str) -> Result<(), Reply> {
    if params.is_empty() || params.starts_with(' ') {
        Ok(())
    } else {
        Err(Reply::new(501, (5, 5, 4), "blank expected after the path"))
    }
}

fn bad_path(e: AddressError, code: (u8, u16, u16), what: &str) -> Reply {
    Reply::new(501, code, format!("{what} address: {e}"))
}

fn bad_parameter(e: Error) -> Reply {
    match e {
        Error::UnsupportedParameter { param } => {
            Reply::new(555, (5, 5, 4), format!("parameter not offered: {}", param.trim()))
        }
        Error::InvalidParameter { param } => Reply::new(501, (5, 5, 4), format!("bad parameter {param}")),
        _ => Reply::new(501, (5, 5, 4), "syntax error in parameters"),
    }
}

fn twice(param: &str) -> Reply {
    Reply::new(501, (5, 5, 4), format!("{param} given twice"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail_of(line: &str) -> Mail {
        match parse(&format!("{line}\r\n")) {
            Ok(Command::Mail(m)) => m,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn rcpt_of(line: &str) -> Recipient {
        match parse(&format!("{line}\r\n")) {
            Ok(Command::Rcpt(r)) => r,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refusal(line: &str) -> u16 {
        parse(&format!("{line}\r\n")).unwrap_err().code
    }

    #[test]
    fn mail_with_everything() {
        let m =
            mail_of("mail from:<\"a b\"@x> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B314 AUTH=<>");
        assert_eq!(m.from.unwrap().as_str(), "\"a b\"@x");
        assert_eq!((m.size, m.body, m.smtputf8), (Some(12), BodyType::EightBitMime, true));
        assert_eq!((m.ret, m.envid.as_deref()), (Some(Ret::Hdrs), Some("QQ+314")));
        let m = mail_of("MAIL FROM: <> SIZE=0");
        assert!(m.from.is_none() && m.size == Some(0) && m.ret.is_none());
        for digits in [20, 21, 39, 40, 41] {
            let line = format!("MAIL FROM:<a@b> SIZE={}", "9".repeat(digits));
            match parse(&format!("{line}\r\n")) {
                Ok(Command::Mail(mail)) => assert_eq!(mail.size, Some(u64::MAX)),
                other => assert_eq!(other.unwrap_err().code, 501),
            }
        }
    }

    #[test]
    fn mail_refusals() {
        for line in [
            "MAIL FROM:a@b",
            "MAIL FROM:<a@b",
            "MAIL FROM:<a@b>SIZE=1",
            "MAIL FROM:<a@b> SIZE=x",
            "MAIL FROM:<a@b> RET=FULL RET=HDRS",
            "MAIL FROM:<a@b> BODY=7BIT BODY=8BITMIME",
            "MAIL FROM:<a@b> BODY=OTHER",
            "MAIL FROM:<a@b> ENVID=a+0D+0Ab",
            "MAIL",
            "MAIL TO:<a@b>",
        ] {
            assert_eq!(refusal(line), 501, "{line}");
        }
        for line in [
            "MAIL FROM:<a@b> REQUIRETLS",
            "MAIL FROM:<a@b> HOLDFOR=5",
            "MAIL FROM:<a@b> BY=1;R",
            "MAIL FROM:<a@b> XYZ=1",
            "MAIL FROM:<a@b> BODY=BINARYMIME",
            "RCPT TO:<a@b> RRVS=2014-04-03T23:01:00Z",
            "RCPT TO:<a@b> XYZ",
        ] {
            assert_eq!(refusal(line), 555, "{line}");
        }
    }

    #[test]
    fn rcpt_forms() {
        let r = rcpt_of("RCPT TO:<a@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@x");
        assert_eq!(r.notify, Some(Notify::On { success: true, failure: false, delay: true }));
        assert_eq!(r.orcpt.unwrap(), Orcpt { kind: "rfc822".into(), address: "Bob@x".into() });
        let r = rcpt_of("RCPT TO:<größe@x> ORCPT=UTF-8;gr+C3+B6+C3+9Fe@x NOTIFY=NEVER");
        assert_eq!((r.notify, r.orcpt.unwrap().address.as_str()), (Some(Notify::Never), "größe@x"));
        assert_eq!(rcpt_of("rcpt to : <Postmaster>").address.as_str(), "Postmaster");
        for line in [
            "RCPT TO:<>",
            "RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS",
            "RCPT TO:<a@b> NOTIFY=SUCCESS NOTIFY=NEVER",
            "RCPT TO:<a@b> NOTIFY=",
            "RCPT TO:<a@b> ORCPT=rfc822",
            "RCPT TO:<a@b> ORCPT=rfc822;+0A",
        ] {
            assert_eq!(refusal(line), 501, "{line}");
        }
    }

    #[test]
    fn other_commands() {
        for (line, want) in
            [("BDAT 5 LAST", "NotImplemented"), ("EXPN x", "NotImplemented"), ("GET / HTTP/1.1", "Http")]
        {
            assert_eq!(format!("{:?}", parse(&format!("{line}\r\n")).unwrap()), want);
        }
        assert_eq!(refusal("DATA now"), 501);
        assert_eq!(refusal("STARTTLS x"), 501);
        assert_eq!(refusal("EHLO"), 501);
        assert_eq!(refusal("XYZZY"), 500);
        assert_eq!(refusal(""), 500);
        assert!(matches!(parse("AUTH CRAM-MD5\r\n"), Ok(Command::AuthOther) | Err(_)));
    }
}
