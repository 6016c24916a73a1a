use super::*;

#[tokio::test]
async fn it_gives_back_what_it_took() {
    for (chunk, times) in [(0, 0), (1, 1), (1000, 3), (IN_MEMORY, 1), (IN_MEMORY, 2), (7, 100_000)] {
        let mut capture = Capture::new();
        let mut expected = Vec::new();
        for n in 0..times {
            let bytes: Vec<u8> = (0..chunk).map(|m| (n + m) as u8).collect();
            capture.append(&bytes).unwrap();
            expected.extend(bytes);
        }
        assert_eq!(capture.file.is_rolled(), expected.len() > IN_MEMORY);
        let mut output = Vec::new();
        capture.copy_to(&mut output).await.unwrap();
        assert!(output == expected, "{times} times {chunk} bytes");
    }
}

#[tokio::test]
async fn a_closed_output_is_told_apart() {
    let (mut output, reader) = tokio::io::duplex(8);
    drop(reader);
    let mut capture = Capture::new();
    capture.append(b"x").unwrap();
    let Err(CopyError::Write(error)) = capture.copy_to(&mut output).await else { panic!("a write error") };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
