use super::*;

/// Desks with so many connections each, and what was put on them that nobody took.
fn desks(open: [usize; 3]) -> (Dispatch, Vec<mpsc::Receiver<Accepted>>) {
    let (desks, queues): (Vec<_>, Vec<_>) = (0..open.len()).map(|_| Desk::new()).unzip();
    for (desk, open) in desks.iter().zip(open) {
        desk.open.store(open, Ordering::Relaxed);
    }
    (Dispatch::new(desks, 100), queues)
}

fn chosen(dispatch: &Dispatch, own: usize) -> usize {
    dispatch.choose(own).unwrap().0
}

#[test]
fn the_worker_with_the_fewest_connections_gets_the_next_and_the_one_at_work_if_there_are_more() {
    let (dispatch, _queues) = desks([2, 1, 3]);
    assert_eq!([0, 1, 2].map(|own| chosen(&dispatch, own)), [1, 1, 1]);
    let (dispatch, _queues) = desks([1, 1, 1]);
    assert_eq!([0, 1, 2].map(|own| chosen(&dispatch, own)), [0, 1, 2]);
}

#[test]
fn nothing_is_left_to_wait_for_a_worker_that_is_busy() {
    let (dispatch, mut queues) = desks([5, 0, 9]);
    let (given, _client) = std::os::unix::net::UnixStream::pair().unwrap();
    let stream = StdStream::from(std::os::fd::OwnedFd::from(given));
    let room = Arc::clone(&dispatch.inbound).try_acquire_owned().unwrap();
    let place = Place::take(&dispatch.desks[1], room);
    dispatch.desks[1].queue.try_send(Accepted { side: Side::Inbound, stream, place }).unwrap();
    assert_eq!([0, 1, 2].map(|own| chosen(&dispatch, own)), [0, 1, 0]);
    drop(queues[1].try_recv().unwrap());
    assert_eq!([0, 1, 2].map(|own| chosen(&dispatch, own)), [1, 1, 1]);
}

#[test]
fn a_connection_keeps_no_room_for_how_it_began() {
    let sizes = [size(outbound::serve), size(inbound::serve)];
    assert!(sizes.iter().all(|size| *size <= 128), "{sizes:?}");
}

/// What the future of `serve` takes, whatever it waits for.
fn size<F: Future>(_serve: fn(Rc<Worker>, TcpStream) -> F) -> usize {
    size_of::<F>()
}
