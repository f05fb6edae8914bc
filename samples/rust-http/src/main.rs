//! Serves word counts: POST /words counts a text, GET /words tells the most frequent ones.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, io, thread};

use rust_http::Words;

const MOST_HEAD: usize = 16 << 10;
const MOST_BODY: usize = 1 << 20;

struct Request {
    method: String,
    path: String,
    body: Vec<u8>,
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

fn main() -> io::Result<()> {
    let port = env::var("PORT").unwrap_or_else(|_| "8080".into());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    println!("listening on port {port}");
    let words = Arc::new(Mutex::new(Words::default()));
    for stream in listener.incoming() {
        let (stream, words) = (stream?, Arc::clone(&words));
        thread::spawn(move || {
            if let Err(error) = serve(stream, &words) {
                eprintln!("connection: {error}");
            }
        });
    }
    Ok(())
}

fn serve(mut stream: TcpStream, words: &Mutex<Words>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let answer = match read(&stream) {
        Ok(request) => {
            let answer = answer(&request, words);
            println!("{} {} {}", request.method, request.path, answer.status);
            answer
        }
        Err(error) => text("400 Bad Request", format!("{error}\n")),
    };
    write!(
        stream,
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        answer.status,
        answer.kind,
        answer.body.len(),
        answer.body
    )
}

fn answer(request: &Request, words: &Mutex<Words>) -> Answer {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => text("200 OK", "POST a text to /words, then GET /words.\n".into()),
        ("GET", "/health") => json("200 OK", r#"{"status":"ok"}"#.into()),
        ("GET", "/words") => {
            let words = words.lock().unwrap();
            let top: Vec<_> = words.top(10).iter().map(|(word, count)| format!(r#""{word}":{count}"#)).collect();
            json("200 OK", format!("{{{}}}", top.join(",")))
        }
        ("POST", "/words") => match std::str::from_utf8(&request.body) {
            Ok(body) => {
                let count = words.lock().unwrap().add(&body.replace(['+', '='], " "));
                json("201 Created", format!(r#"{{"counted":{count}}}"#))
            }
            Err(_) => text("422 Unprocessable Content", "the text is not UTF-8\n".into()),
        },
        _ => text("404 Not Found", "there is nothing here\n".into()),
    }
}

fn text(status: &'static str, body: String) -> Answer {
    Answer { status, kind: "text/plain; charset=utf-8", body }
}

fn json(status: &'static str, body: String) -> Answer {
    Answer { status, kind: "application/json", body }
}

fn read(stream: &TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        reader.read_exact(&mut byte)?;
        head.push(byte[0]);
        if head.len() > MOST_HEAD {
            return Err(io::Error::other("the head of the request is too long"));
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    parsed.parse(&head).map_err(io::Error::other)?;
    let length = parsed
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    if length > MOST_BODY {
        return Err(io::Error::other("the body of the request is too long"));
    }
    let (method, path) = (parsed.method.unwrap_or("").to_string(), parsed.path.unwrap_or("").to_string());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Request { method, path, body })
}
