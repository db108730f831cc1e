//! SIGKILL to servers, and orderly restarts, while clients work.

use super::stage::Stage;
use super::work::{meanwhile, moment};
use crate::places::{Place, Wrapping, on_tokio, postgres, redis};

/// How often each server goes.
const TIMES: usize = 6;

fn stages(place: &Place) -> [Stage; 2] {
    [Wrapping::Plain, Wrapping::Sealed].map(|wrapping| Stage::new(place.clone(), wrapping, None))
}

fn end(stages: [Stage; 2], storm: &str) {
    for stage in stages {
        assert!(stage.troubles.failures() > 0, "nobody noticed");
        stage.end(storm);
    }
}

#[test]
fn of_postgres() {
    let server = on_tokio(postgres::server::Server::start(&[]));
    let stages = stages(&Place::Postgres(server.url()));
    meanwhile(&[&stages[0], &stages[1]], |work| {
        for _ in 0..TIMES {
            work.go_on();
            moment(20);
            server.kill();
            on_tokio(server.revive());
        }
    });
    end(stages, &format!("killed servers, PostgreSQL: {TIMES} kills"));
}

/// The server says good-bye, and ends what is under way.
#[test]
fn of_postgres_in_order() {
    let server = on_tokio(postgres::server::Server::start(&[]));
    let stages = stages(&Place::Postgres(server.url()));
    meanwhile(&[&stages[0], &stages[1]], |work| {
        for _ in 0..TIMES {
            work.go_on();
            moment(20);
            server.stop();
            on_tokio(server.revive());
        }
    });
    end(
        stages,
        &format!("restarted servers, PostgreSQL: {TIMES} restarts"),
    );
}

#[test]
fn of_redis() {
    let mut server = redis::server::Server::durable();
    let stages = stages(&Place::Redis(server.url()));
    meanwhile(&[&stages[0], &stages[1]], |work| {
        for _ in 0..TIMES {
            work.go_on();
            moment(20);
            server.kill();
            server.restart();
        }
    });
    end(stages, &format!("killed servers, Redis: {TIMES} kills"));
}
