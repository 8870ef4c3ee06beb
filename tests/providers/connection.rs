//! Connections that fail, redirect, stall or are cancelled.

use super::*;

#[tokio::test]
async fn connection_errors_are_distinguished() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\"".to_vec();
    for raw in [Vec::new(), cut, b"SSH-2.0-OpenSSH_9\r\n".to_vec()] {
        let error = answered("openai", Reply::Raw(raw)).await.unwrap_err();
        assert!(matches!(error, PromptError::ConnectionLost { .. }), "{error:?}");
    }
    // A server without TLS.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut Vec::new()).await.unwrap_or_default();
    });
    let error = generate("openai", &set(&url).settings).await.unwrap_err();
    assert!(matches!(error, PromptError::Tls { .. }), "{error:?}");

    // RFC 6761 reserves .invalid, so it never resolves. A proxy would resolve it instead.
    if !std::env::vars().any(|(name, _)| name.to_lowercase().ends_with("_proxy")) {
        let error = generate("openai", &set("https://bgcam.invalid").settings).await.unwrap_err();
        assert!(matches!(&error, PromptError::Dns { host, .. } if host == "bgcam.invalid"), "{error:?}");
    }

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = generate("openai", &set(&format!("http://{free}")).settings).await.unwrap_err();
    assert!(matches!(&error, PromptError::Connect { why, .. } if why.contains("refused")), "{error:?}");
}

#[tokio::test]
async fn redirects_stay_on_the_same_origin() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Full(307, "Location: /v1/elsewhere\r\n", Vec::new()),
        _ => json(200, &json!({"data": [{"b64_json": base64()}]})),
    })
    .await;
    generate("openai", &set(&server.url).settings).await.unwrap();
    assert_eq!(server.requests()[1].line, "POST /v1/elsewhere");

    let reply = Reply::Full(307, "Location: https://evil.example/x?key=1\r\n", Vec::new());
    let error = answered("openai", reply).await.unwrap_err();
    assert!(matches!(&error, PromptError::Redirected { to, .. } if to == "https://evil.example"), "{error:?}");

    let server = Server::start(|number, _| match number {
        0 => Reply::Full(303, "Location: /sk-canary-0123456789abcdef\r\n", Vec::new()),
        _ => text(404, "no"),
    })
    .await;
    let error = generate("openai", &set(&server.url).settings).await.unwrap_err();
    assert!(matches!(&error, PromptError::NoSuchPath { path, .. } if path == "/***"), "{error:?}");
    let reply = Reply::Full(307, "Location: https://sk-canary-0123456789abcdef.example/\r\n", Vec::new());
    let error = answered("openai", reply).await.unwrap_err();
    assert!(matches!(&error, PromptError::Redirected { to, .. } if to == "https://***.example"), "{error:?}");
}

#[tokio::test]
async fn busy_servers_are_retried_and_reported() {
    let busy = || Reply::Full(429, "Retry-After: 0\r\n", b"{\"error\": {\"message\": \"slow down\"}}".to_vec());
    let server = Server::start(move |number, _| match number {
        0 => busy(),
        1 => Reply::Full(503, "Retry-After: 0\r\n", Vec::new()),
        _ => json(200, &json!({"data": [{"b64_json": base64()}]})),
    })
    .await;
    let set_up = set(&server.url);
    let (provider, recipe) = recipe("openai", &set_up.settings);
    let reported = Mutex::new(Vec::new());
    provider.generate(&recipe, &|progress| reported.lock().unwrap().push(progress)).await.unwrap();
    let waits = reported.lock().unwrap().iter().filter(|progress| matches!(progress, Progress::Waiting(_))).count();
    assert_eq!((waits, server.requests().len()), (2, 3));

    let server = Server::always(busy()).await;
    let error = generate("openai", &set(&server.url).settings).await.unwrap_err();
    assert!(matches!(&error, PromptError::Throttled { detail, .. } if detail == "slow down"), "{error:?}");
    assert_eq!(server.requests().len(), 3);
    // A delay of an hour exceeds the time limit.
    let server = Server::always(Reply::Full(429, "Retry-After: 3600\r\n", Vec::new())).await;
    let error = generate("openai", &set(&server.url).settings).await.unwrap_err();
    assert!(matches!(error, PromptError::Throttled { .. }) && server.requests().len() == 1);
}

#[tokio::test]
async fn requests_time_out() {
    let server = Server::always(Reply::Hang).await;
    let set = set(&server.url);
    let (provider, recipe) = recipe("gateway", &set.settings);
    let watch = async {
        server.received(1).await;
        tokio::time::pause(); // from now on, the clock jumps to the next timer
        std::future::pending::<()>().await;
    };
    let error = tokio::select! { image = provider.generate(&recipe, &|_| {}) => image.unwrap_err(), () = watch => unreachable!() };
    assert!(matches!(error, PromptError::TimedOut { limit, .. } if limit.as_secs() == 40), "{error:?}");
}

#[tokio::test]
async fn cancelling_closes_the_connection() {
    let server = Server::always(Reply::Hang).await;
    let set = set(&server.url);
    let (provider, recipe) = recipe("openai", &set.settings);
    tokio::select! {
        image = provider.generate(&recipe, &|_| {}) => panic!("{image:?}"),
        () = server.received(1) => {}
    }
    tokio::time::timeout(Duration::from_secs(20), server.closed(1)).await.unwrap();
}
