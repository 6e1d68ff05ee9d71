// SPDX-License-Identifier: EUPL-1.2
//! All routes: one table, from which the router is built and against which the wall is tested.

use axum::Router;
use axum::routing::MethodRouter;

use crate::api::{
    connectors, drafts, inspection, intake, log, openapi, people, places, read, resume, rules, status,
    text_blocks,
};
use crate::web::Web;
use crate::{assets, download, pages, preview, probe};

macro_rules! routes {
    ($($path:literal => $($method:ident $handler:path),+;)+) => {
        /// Every route: method and path.
        pub const ROUTES: &[(&str, &str)] = &[$($((stringify!($method), $path)),+),+];

        /// The router of all of them.
        pub(crate) fn all() -> Router<Web> {
            Router::new()$(.route($path, MethodRouter::new()$(.$method($handler))+))+
        }
    };
}

/// Only what monitoring asks.
pub(crate) fn machines() -> Router<Web> {
    Router::new()
        .route("/health/live", axum::routing::get(probe::live))
        .route("/health/ready", axum::routing::get(probe::ready))
        .route("/metrics", axum::routing::get(probe::metrics))
}

routes! {
    "/" => get pages::start;
    "/anmelden" => get pages::sign_in::form, post pages::sign_in::submit;
    "/anmelden/code" => get pages::sign_in::code_form, post pages::sign_in::code;
    "/abmelden" => post pages::sign_in::leave;
    "/konto" => get pages::account::show;
    "/konto/passwort" => get pages::account::password_form, post pages::account::password;
    "/konto/sitzungen/{session}/beenden" => post pages::account::end_session;
    "/konto/zweiter-faktor" => get pages::account::offer, post pages::account::set_factor;
    "/konto/zweiter-faktor/entfernen" => post pages::account::end_factor;
    "/konto/vertretung" => post pages::account::set_deputy;
    "/konto/vertretung/{deputy}/beenden" => post pages::account::end_deputy;
    "/arbeit" => get pages::desk::desks;
    "/arbeit/{desk}" => get pages::desk::show;
    "/vorgaenge/{tenant}/{item}" => post pages::desk::act;
    "/nachrichten" => get pages::messages::list;
    "/nachrichten/{tenant}/{id}" => get pages::message::show;
    "/nachrichten/{tenant}/{id}/vermerke" => post pages::desk::note;
    "/nachrichten/{tenant}/{id}/original" => get download::page_original;
    "/nachrichten/{tenant}/{id}/teile/{n}" => get download::page_part;
    "/nachrichten/{tenant}/{id}/teile/{picture}/ansehen" => get preview::look;
    "/nachrichten/{tenant}/{id}/teile/{picture}/vorschau" => get preview::picture;
    "/nachrichten/{tenant}/{id}/anhaenge.zip" => get download::page_zip;
    "/nachrichten/{tenant}/{id}/uebergaben/{delivery}/fortsetzen" => get pages::resume::ask, post pages::resume::submit;
    "/nachrichten/{tenant}/{id}/pruefprotokoll" => get pages::sheet::show;
    "/nachrichten/{tenant}/{id}/pruefprotokoll/json" => get pages::sheet::json;
    "/nachrichten/{tenant}/{id}/pruefprotokoll/pdf" => get pages::sheet::paper;
    "/nachrichten/{tenant}/{id}/pruefen" => post pages::sheet::check;
    "/quarantaene" => get pages::quarantine::list;
    "/quarantaene/{tenant}/{id}/{held}" => get pages::quarantine::show, post pages::quarantine::act;
    "/buecher" => get pages::books::choose;
    "/buecher/{tenant}/{book}" => get pages::books::show;
    "/buecher/{tenant}/{book}/csv" => get pages::books::csv;
    "/neues" => get pages::live::wait;
    "/suche" => get pages::search::show;
    "/nachrichten/{tenant}/{id}/entwurf" => post pages::drafts::answer;
    "/schreiben" => get pages::drafts::start, post pages::drafts::begin;
    "/entwuerfe" => get pages::drafts::list;
    "/entwuerfe/{tenant}/{draft}" => get pages::draft::show, post pages::draft::submit;
    "/entwuerfe/{tenant}/{draft}/loeschen" => get pages::drafts::ask_delete, post pages::drafts::delete;
    "/entwuerfe/{tenant}/{draft}/anlagen" => post pages::upload::announce;
    "/entwuerfe/{tenant}/{draft}/anlagen/{part}" => get pages::upload::state, put pages::upload::append;
    "/entwuerfe/{tenant}/{draft}/anlagen/{part}/datei" => get pages::upload::file;
    "/textbausteine" => get pages::text_blocks::list;
    "/textbausteine/{tenant}" => get pages::text_blocks::fresh, post pages::text_blocks::add;
    "/textbausteine/{tenant}/{block}" => get pages::text_blocks::show, post pages::text_blocks::change;
    "/betrieb" => get pages::operator::show;
    "/betrieb/alarme/{alarm}/kenntnis" => post pages::operator::acknowledge;
    "/verwaltung" => get pages::admin::tenants;
    "/verwaltung/{tenant}" => get pages::admin::overview;
    "/verwaltung/{tenant}/personen" => get pages::admin::people::list, post pages::admin::people::add;
    "/verwaltung/{tenant}/personen/{person}" => get pages::admin::people::show, post pages::admin::people::act;
    "/verwaltung/{tenant}/koerbe" => get pages::admin::places::desks, post pages::admin::places::add_desk;
    "/verwaltung/{tenant}/koerbe/{korb}" => post pages::admin::places::desk;
    "/verwaltung/{tenant}/postfaecher" => get pages::admin::places::mailboxes, post pages::admin::places::add_mailbox;
    "/verwaltung/{tenant}/postfaecher/{postfach}" => post pages::admin::places::mailbox;
    "/verwaltung/{tenant}/aenderungen" => get pages::admin::changes::show;
    "/verwaltung/{tenant}/aenderungen/csv" => get pages::admin::changes::csv;
    "/verwaltung/{tenant}/regeln" => get pages::admin::rules::show, post pages::admin::rules::act;
    "/verwaltung/{tenant}/regeln/pruefen" => get pages::admin::trial::show;
    "/verwaltung/{tenant}/regeln/verlauf" => get pages::admin::rules::history;
    "/verwaltung/{tenant}/regeln/{rule}" => get pages::admin::rule::show, post pages::admin::rule::save;
    "/verwaltung/{tenant}/ziele" => get pages::admin::targets::list;
    "/verwaltung/{tenant}/ziele/{connector}" => get pages::admin::targets::show, post pages::admin::targets::save;
    "/verwaltung/{tenant}/ziele/{connector}/pruefen" => post pages::admin::targets::check;
    "/betrieb/regeln" => get pages::admin::rules::proposed;
    "/hilfe" => get pages::help;
    "/health/live" => get probe::live;
    "/health/ready" => get probe::ready;
    "/metrics" => get probe::metrics;
    "/static/{digest}/{*name}" => get assets::file;
    "/api/v1/openapi.json" => get openapi::document;
    "/api/v1/messages" => get read::list, post intake::take;
    "/api/v1/messages/{tenant}/{id}" => get read::one;
    "/api/v1/messages/{tenant}/{id}/timeline" => get read::timeline;
    "/api/v1/messages/{tenant}/{id}/original" => get download::api_original;
    "/api/v1/messages/{tenant}/{id}/parts/{n}" => get download::api_part;
    "/api/v1/messages/{tenant}/{id}/deliveries/{delivery}/resume" => post resume::resume;
    "/api/v1/messages/{tenant}/{id}/sheet" => get inspection::sheet;
    "/api/v1/messages/{tenant}/{id}/checks" => post inspection::check;
    "/api/v1/messages/{tenant}/{id}/parts/{n}/hold" => get inspection::hold, post inspection::decide;
    "/api/v1/tenants/{tenant}/quarantine" => get inspection::quarantine;
    "/api/v1/search" => get read::search;
    "/api/v1/drafts" => get drafts::list, post drafts::begin;
    "/api/v1/drafts/{tenant}/{draft}" => get drafts::one, put drafts::save, delete drafts::delete;
    "/api/v1/drafts/{tenant}/{draft}/parts" => post drafts::attach;
    "/api/v1/drafts/{tenant}/{draft}/parts/{part}" => delete drafts::detach;
    "/api/v1/drafts/{tenant}/{draft}/send" => post drafts::send;
    "/api/v1/drafts/{tenant}/{draft}/withdraw" => post drafts::withdraw;
    "/api/v1/tenants/{tenant}/text-blocks" => get text_blocks::list, post text_blocks::add;
    "/api/v1/tenants/{tenant}/text-blocks/{block}" => put text_blocks::change, delete text_blocks::delete;
    "/api/v1/tenants/{tenant}/people" => get people::list, post people::add;
    "/api/v1/tenants/{tenant}/people/{person}" => get people::one, put people::change;
    "/api/v1/tenants/{tenant}/people/{person}/password" => post people::password;
    "/api/v1/tenants/{tenant}/people/{person}/second-factor" => delete people::drop_factor;
    "/api/v1/tenants/{tenant}/people/{person}/grants" => put people::set_grant;
    "/api/v1/tenants/{tenant}/people/{person}/tokens" => get people::tokens, post people::new_token;
    "/api/v1/tenants/{tenant}/people/{person}/tokens/{name}" => delete people::revoke_token;
    "/api/v1/tenants/{tenant}/deputies" => get people::deputies, post people::set_deputy;
    "/api/v1/tenants/{tenant}/deputies/{deputy}" => delete people::end_deputy;
    "/api/v1/tenants/{tenant}/desks" => get places::desks, post places::add_desk;
    "/api/v1/tenants/{tenant}/desks/{desk}" => put places::change_desk;
    "/api/v1/tenants/{tenant}/mailboxes" => get places::mailboxes, post places::add_mailbox;
    "/api/v1/tenants/{tenant}/mailboxes/{mailbox}" => put places::change_mailbox;
    "/api/v1/tenants/{tenant}/mailboxes/{mailbox}/addresses" => post places::add_address;
    "/api/v1/tenants/{tenant}/changes" => get places::changes;
    "/api/v1/tenants/{tenant}/rules" => get rules::show, put rules::prepare;
    "/api/v1/tenants/{tenant}/rules/test" => post rules::test;
    "/api/v1/tenants/{tenant}/rules/release" => post rules::release;
    "/api/v1/tenants/{tenant}/rules/history" => get rules::history;
    "/api/v1/tenants/{tenant}/connectors" => get connectors::list, post connectors::add;
    "/api/v1/tenants/{tenant}/connectors/{connector}" => put connectors::change;
    "/api/v1/tenants/{tenant}/connectors/{connector}/check" => post connectors::check;
    "/api/v1/balance" => get status::balance;
    "/api/v1/status" => get status::status;
    "/api/v1/tenants/{tenant}/log/checkpoint" => get log::checkpoint;
    "/api/v1/tenants/{tenant}/log/tile/{*path}" => get log::tile;
}
