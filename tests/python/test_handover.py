"""Promise: open descriptors go to the process that adopts, at no moment to nobody, and to nobody else; a connection goes on
talking where it stood. What goes wrong is said on both sides, and leaves the giver with what it had."""

import contextlib
import io
import os
import socket
import struct
import threading

import pytest
import torpor
from processes import finish, literal, run, start
from torpor import _local

#: Seconds for what happens at once, on a machine that is busy.
SOON = 60

GIVER = """
import sys, socket, torpor
from multiprocessing import Pipe

def job(peer, done=0):
    peer.sendall(b"one\\n")
    got = torpor.capture(key="k", externals={"peer": peer})
    if isinstance(got, torpor.Snapshot):
        taker = torpor.hand_over(got, {"peer": peer}, timeout=%d)
        return "given", peer.fileno(), taker
    peer.sendall(b"two\\n")
    answer = peer.makefile("rb").readline()
    peer.close()
    return answer

peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(repr(torpor.run(job, peer)), flush=True)
""" % SOON

TAKER = """
import os, torpor
cont = torpor.take_over("k", timeout=%d)
print(repr((cont.resume(), os.getpid())))
""" % SOON


@contextlib.contextmanager
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SOON)
        yield server, server.getsockname()[1]


def accepted(server):
    client, _ = server.accept()
    client.settimeout(SOON)
    return client, client.makefile("rb")


def left_in(stores):
    return [path.name for path in stores.rglob("give-*")]


def test_a_connection_goes_on_in_another_process(stores):
    with listening() as (server, port):
        giver = start(GIVER, port)
        client, lines = accepted(server)
        with client, lines:
            assert lines.readline() == b"one\n"
            taker = start(TAKER)
            assert lines.readline() == b"two\n"
            given, number, pid = literal(finish(giver))  # its copy is closed, and it has ended
            client.sendall(b"three\n")
            answer, own = literal(finish(taker))
            assert (given, number, answer, pid) == ("given", -1, b"three\n", own)
            assert lines.readline() == b""  # and nobody else had the connection
    assert left_in(stores) == []


def test_the_giver_may_come_late_and_the_taker_too(stores):
    with listening() as (server, port):
        taker = start(TAKER)  # no snapshot yet
        giver = start(GIVER, port)
        client, lines = accepted(server)
        with client, lines:
            assert [lines.readline() for _ in range(2)] == [b"one\n", b"two\n"]
            client.sendall(b"three\n")
            assert literal(finish(taker))[0] == b"three\n"
        finish(giver)


def test_takers_that_fail_leave_the_giver_with_what_it_had(stores):
    """One is killed after it has received the connection, one raises while it adopts; the third one takes it."""
    with listening() as (server, port):
        giver = start(GIVER, port)
        client, lines = accepted(server)
        with client, lines:
            assert lines.readline() == b"one\n"
            killed = """
                import os, signal, torpor
                from torpor import _handover
                def received(sock, id, original=_handover._received):
                    original(sock, id)
                    print("received", flush=True)
                    os.kill(os.getpid(), signal.SIGKILL)
                _handover._received = received
                torpor.take_over("k", timeout=60)
            """
            assert run(killed, status=-9) == "received\n"
            raises = """
                import torpor
                from torpor import _handover
                def received(sock, id, original=_handover._received):
                    made = original(sock, id)
                    return {"another": made.popitem()[1]}
                _handover._received = received
                try:
                    torpor.take_over("k", timeout=60)
                except torpor.AdoptError as error:
                    print(error)
            """
            assert "externals={\"peer\": ...}" in run(raises)
            taker = start(TAKER)
            assert lines.readline() == b"two\n"
            client.sendall(b"three\n")
            assert literal(finish(taker))[0] == b"three\n"
            assert literal(finish(giver))[0] == "given"
            assert lines.readline() == b""
    assert left_in(stores) == []


def test_a_taker_whose_giver_is_killed_before_its_last_word_has_the_connection(stores):
    with listening() as (server, port):
        killed = GIVER.replace("\npeer = ", """
from torpor import _handover
def heard(sock, ended, begun=b"", original=_handover._heard):
    said = original(sock, ended, begun)
    if "taken" in said:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    return said
_handover._heard = heard
peer = """)  # fmt: skip
        giver = start(killed, port)
        client, lines = accepted(server)
        with client, lines:
            taker = start(TAKER)
            assert [lines.readline() for _ in range(2)] == [b"one\n", b"two\n"]
            client.sendall(b"three\n")
            assert literal(finish(taker))[0] == b"three\n"
            finish(giver, status=-9)
    # What a killed one leaves goes when the next one looks.
    assert left_in(stores) == [f"give-{giver.pid}-1"]
    torpor.Store().gc()
    assert left_in(stores) == []


def test_a_taker_learns_that_its_giver_does_not_wait_any_more(stores):
    """Both cannot have it: who adopted too late has to drop it."""
    with listening() as (server, port):
        giver = start(GIVER.replace(f"timeout={SOON}", "timeout=10"), port)
        client, lines = accepted(server)
        with client, lines:
            late = """
                import select, torpor
                from torpor import _handover
                def received(sock, id, original=_handover._received):
                    made = original(sock, id)
                    select.select([sock], [], [])  # until the giver has said its last word
                    return made
                _handover._received = received
                try:
                    torpor.take_over("k", timeout=60)
                except torpor.AdoptError as error:
                    print(error)
            """
            assert "does not wait any more" in run(late)
            _, err = giver.communicate(timeout=SOON)
            assert "TimeoutError: Nobody took over snapshot 1 in 10 s: process" in err and "not answer in time" in err
            assert lines.read() == b"one\n"  # both have ended, and none said more


def test_a_silent_death_of_the_conversation_is_no_gift(stores, monkeypatch):
    """A giver that lives and only lost the conversation has its descriptor still."""
    monkeypatch.setattr("torpor._handover._PATIENCE", 0.5)
    one, two = socket.socketpair()
    with one, two:
        def answer():
            _local.line(two)
            two.close()

        thread = threading.Thread(target=answer)
        thread.start()
        from torpor import _handover

        with pytest.raises(_handover._Failed, match="without a word"):
            _handover._confirmed(one)
        thread.join()


def test_the_last_word_counts_even_if_it_was_said_before_ours():
    from torpor import _handover

    one, two = socket.socketpair()
    with one, two:
        two.sendall(b'{"kept": "does not wait any more"}\n')
        two.close()
        with pytest.raises(_handover._Failed, match="does not wait"):
            _handover._confirmed(one)


def job(**things):
    def inner():
        got = torpor.capture(key="k", externals=things)
        return (got, None) if isinstance(got, torpor.Snapshot) else (got, things)

    return torpor.run(inner)


def given(things, take=lambda: torpor.take_over("k", timeout=SOON), **options):
    """Hands things over to a thread; what it resumed with."""
    snapshot, _ = job(**things)
    found = []
    thread = threading.Thread(target=lambda: found.append(take()))
    thread.start()
    torpor.hand_over(snapshot, things, timeout=SOON, **options)
    thread.join()
    return found[0]


def test_every_kind_of_descriptor(stores):
    import multiprocessing

    left, right = socket.socketpair()
    left.settimeout(2.5)
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    read, write = os.pipe()
    r, w = io.FileIO(read, "rb"), os.fdopen(write, "wb")
    w.write(b"written before, ")
    one, two = multiprocessing.Pipe()
    os.set_inheritable(r.fileno(), True)
    things = {"left": left, "server": server, "r": r, "w": w, "one": one}
    numbers = [thing.fileno() for thing in things.values()]
    cont = given(things)
    for thing, number in zip(things.values(), numbers):
        assert thing.fileno() == -1 if isinstance(thing, socket.socket) else thing.closed
    _, new = cont.resume()
    assert [type(new[name]) for name in things] == [type(thing) for thing in things.values()]
    assert new["left"].gettimeout() == 2.5 and not new["left"].get_inheritable()
    assert os.get_inheritable(new["r"].fileno()) and not os.get_inheritable(new["w"].fileno())
    right.sendall(b"x")
    assert new["left"].recv(9) == b"x"
    with socket.create_connection(("127.0.0.1", port)), contextlib.closing(new["server"].accept()[0]):
        pass
    new["w"].write(b"and after")
    new["w"].close()
    assert new["r"].read(99) == b"written before, and after"
    two.send({"a": 1})
    assert new["one"].recv() == {"a": 1}
    for thing in (*new.values(), right, two):
        thing.close()


def test_a_selector_watches_the_adopters_own(stores):
    import selectors

    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    selector = selectors.DefaultSelector()
    selector.register(server, selectors.EVENT_READ, ["accept"])

    def inner():
        got = torpor.capture(key="k", externals={"server": server})
        if isinstance(got, torpor.Snapshot):
            thread = threading.Thread(target=lambda: found.append(torpor.take_over("k", timeout=SOON)))
            thread.start()
            torpor.hand_over(got, {"server": server}, timeout=SOON)
            thread.join()
            return None
        with socket.create_connection(("127.0.0.1", port)):
            ((key, events),) = selector.select(timeout=SOON)
            key.fileobj.accept()[0].close()
            key.fileobj.close()
            return key.fileobj is server, key.data, events

    found = []
    torpor.run(inner)
    selector.close()
    assert found[0].resume() == (True, ["accept"], selectors.EVENT_READ)


def test_what_has_an_own_of_the_adopter_too(stores):
    left, right = socket.socketpair()
    queue = [1]
    snapshot, _ = torpor.run(lambda: (torpor.capture(key="k", externals={"left": left, "queue": queue}), (left, queue)))
    found = []
    take = lambda: found.append(torpor.take_over(snapshot.id, timeout=SOON, externals={"queue": [2]}, store=torpor.Store()))
    thread = threading.Thread(target=take)
    thread.start()
    assert torpor.hand_over(snapshot, {"left": left}, timeout=SOON) == os.getpid()
    thread.join()
    mine, own = found[0].resume()[1]
    assert own == [2]
    with mine, right:
        mine.sendall(b"x")
        assert right.recv(9) == b"x"


def test_nobody_comes(stores):
    left, right = socket.socketpair()
    with left, right:
        snapshot, _ = job(left=left)
        with pytest.raises(TimeoutError, match=r"Nobody took over snapshot 1 in 0.01 s: nobody tried \(torpor.take_over\)"):
            torpor.hand_over(snapshot, {"left": left}, timeout=0.01)
        assert left_in(stores) == []
        left.sendall(b"x")
        assert right.recv(9) == b"x"


def test_nobody_gives(stores):
    with pytest.raises(torpor.SnapshotNotFound):
        torpor.take_over("k")
    with pytest.raises(TimeoutError):
        torpor.take_over("k", timeout=0.01)
    left, right = socket.socketpair()
    with left, right:
        job(left=left)
        with pytest.raises(torpor.AdoptError, match=f"process {os.getpid()} does not hand it over; it has to call torpor.hand"):
            torpor.take_over("k")
        with pytest.raises(TimeoutError, match="did not hand over what snapshot 1 left behind"):
            torpor.take_over("k", timeout=0.05)
    run("""
        import socket, torpor
        left, right = socket.socketpair()
        torpor.run(lambda: (torpor.capture(key="k", externals={"left": left}), left))
    """)
    for timeout in (None, SOON):
        with pytest.raises(torpor.AdoptError, match="has ended, and what it had open is closed"):
            torpor.take_over("k", timeout=timeout)


def closed(thing):
    thing.close()
    return thing


def test_what_cannot_be_handed_over_is_said_at_once(stores):
    left, right = socket.socketpair()
    with left, right, open(os.devnull, "rb") as reader, open(os.devnull, "w") as text:
        snapshot, _ = job(left=left)
        for wrong, why in [
            ({}, "not empty"), (None, "not empty"), ({1: left}, "not empty"),
            ({"left": closed(socket.socket())}, r"externals\['left'\] is closed"),
            ({"left": closed(io.FileIO(os.devnull))}, r"externals\['left'\] is closed"),
            ({"left": reader}, "BufferedReader.*read ahead.*buffering=0"),
            ({"left": text}, "TextIOWrapper"),
            ({"left": io.BufferedWriter(io.BytesIO())}, "writes to a BytesIO, which is no descriptor"),
            ({"left": [1]}, "a list, which cannot be handed over"),
            ({"left": left, "b": object()}, r"externals\['b'\] is a object"),
            ({str(n): left for n in range(254)}, "253 can be handed over at once"),
        ]:  # fmt: skip
            with pytest.raises(torpor.InvalidArgument, match=why):
                torpor.hand_over(snapshot, wrong, timeout=SOON)
        with pytest.raises(torpor.InvalidArgument, match="not NoneType: in the resumed stack"):
            torpor.hand_over(None, {"left": left})
        path = stores / "file"
        snapshot.save(path)
        with pytest.raises(torpor.InvalidArgument, match="in no store"):
            torpor.hand_over(torpor.load(path), {"left": left})
        assert left_in(stores) == []
        left.sendall(b"x")
        assert right.recv(9) == b"x"


def test_a_wrong_name_is_told_to_both(stores):
    left, right = socket.socketpair()
    with left, right:
        snapshot, _ = job(left=left)
        told = []

        def give():
            try:
                torpor.hand_over(snapshot, {"lift": left}, timeout=10)
            except TimeoutError as error:
                told.append(str(error))

        thread = threading.Thread(target=give)
        thread.start()
        with pytest.raises(torpor.AdoptError, match='externals={"left": ...}'):
            torpor.take_over("k", timeout=SOON)
        thread.join()
        assert "AdoptError" in told[0] and 'externals={"left": ...}' in told[0]
        left.sendall(b"x")
        assert right.recv(9) == b"x"


def test_another_user_gets_nothing(stores, monkeypatch):
    """As far as one user can try: the numbers that the kernel tells are what counts."""
    left, right = socket.socketpair()
    snapshot, _ = job(left=left)
    real, giver = _local.peer, threading.get_ident()
    errors, found = [], []

    def take():
        for of_taker in (True, False):
            foreign = lambda sock: real(sock)._replace(uid=os.getuid() + ((threading.get_ident() == giver) is of_taker))
            monkeypatch.setattr(_local, "peer", foreign)
            try:
                torpor.take_over("k", timeout=SOON)
            except torpor.AdoptError as error:
                errors.append(str(error))
        monkeypatch.setattr(_local, "peer", real)
        found.append(torpor.take_over("k", timeout=SOON))

    thread = threading.Thread(target=take)
    thread.start()
    torpor.hand_over(snapshot, {"left": left}, timeout=SOON)
    thread.join()
    assert "keeps what it had" in errors[0] and "belongs to another user" in errors[1]
    mine = found[0].resume()[1]["left"]
    with mine, right:
        mine.sendall(b"x")
        assert right.recv(9) == b"x"


def test_clients_that_talk_nonsense_harm_nobody(stores):
    left, right = socket.socketpair()
    snapshot, _ = job(left=left)
    found = []

    def nonsense_and_take():
        place = None
        while place is None:
            place = next(stores.rglob("give-*"), None)
        assert (place.stat().st_mode & 0o777, place.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        for data in (b"", b"\n", b"[1]\n", b"{}\n", b"x" * 70000, b'{"take": 1}\n{', b'{"take": 1}\nnull\n'):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(place))
                with contextlib.suppress(BrokenPipeError):
                    client.sendall(data)
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(4096):
                        pass
        found.append(torpor.take_over("k", timeout=SOON))

    thread = threading.Thread(target=nonsense_and_take)
    thread.start()
    torpor.hand_over(snapshot, {"left": left}, timeout=SOON)
    thread.join()
    mine = found[0].resume()[1]["left"]
    with mine, right:
        mine.sendall(b"x")
        assert right.recv(9) == b"x"


def test_an_interrupt_ends_the_wait_and_gives_nothing(stores):
    import signal

    left, right = socket.socketpair()
    with left, right:
        snapshot, _ = job(left=left)
        timer = threading.Timer(0.2, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            torpor.hand_over(snapshot, {"left": left})
        timer.join()
        assert left_in(stores) == [] and left.fileno() >= 0


def test_a_fork_of_the_giver_offers_nothing(stores):
    out = run("""
        import os, socket, threading, time, torpor
        from torpor import _handover
        left, right = socket.socketpair()
        snapshot, _ = torpor.run(lambda: (torpor.capture(key="k", externals={"left": left}), left))
        def give():
            try:
                torpor.hand_over(snapshot, {"left": left}, timeout=2)
            except TimeoutError:
                done.append(len(_handover._open))
        done, thread = [], threading.Thread(target=give)
        thread.start()
        while not _handover._open:
            time.sleep(0.01)
        pid = os.fork()
        if pid == 0:
            os._exit(3 if not _handover._open else 4)
        status, there = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), len(_handover._open)
        thread.join()
        print([status, there, *done])
    """)
    assert literal(out) == [3, 1, 0]


def test_ucred_is_what_linux_says(stores):
    one, two = socket.socketpair()
    with one, two:
        assert _local.peer(one) == (os.getpid(), os.getuid())
        assert struct.calcsize("3i") == 12
