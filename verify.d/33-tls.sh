# what: TLS with nbdinfo, nbdcopy, nbdsh and qemu-img: who must encrypt, with which certificates, and keys that are renewed
# budget: 60
# clients: yes

readonly PYTHON=/usr/bin/python3

if ! command -v openssl >/dev/null; then
    skip 'everything about TLS' 'openssl is not installed'
    return 0
fi

# --- certificates: an authority, a server, a client, and a stranger of another authority ---

authority() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$1.key" -out "$1.pem"
}

signed() { # NAME AUTHORITY KEY_ALGORITHM...: for localhost
    openssl req -newkey "${@:3}" -nodes -subj "/CN=localhost" -keyout "$1.key" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 2 -out "$1.pem" \
        -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n')
}

directory() { # NAME AUTHORITY [CERTIFICATE]: as libnbd and qemu want a client's
    mkdir "$1"
    cp "$2.pem" "$1/ca-cert.pem"
    if [[ -n ${3:-} ]]; then
        cp "$3.pem" "$1/client-cert.pem"
        cp "$3.key" "$1/client-key.pem"
    fi
}

make_certificates() {
    authority ca
    authority other
    signed server ca rsa:2048
    signed renewed ca ec -pkeyopt ec_paramgen_curve:secp384r1
    signed client ca ec -pkeyopt ec_paramgen_curve:prime256v1
    signed stranger other rsa:2048
    openssl rsa -in server.key -traditional -out server-pkcs1.key
    openssl ec -in renewed.key -out renewed-sec1.key
    directory good ca client
    directory without ca
    directory wrong ca stranger
    directory distrusts other client
}

must 'an authority and certificates, by openssl' make_certificates

uri() { # DIRECTORY: of the device on TCP, with a client's certificates
    printf 'nbds://localhost:%d/%s?tls-certificates=%s' "$PORT" "$UP_NAME" "$WORK/$1"
}

size_is() { # URI BYTES
    test "$(nbdinfo --size "$1")" = "$2"
}

turned_away() { # COMMAND...: fails, and says something of TLS
    if "$@" >turned.log 2>&1; then
        cat turned.log
        return 1
    fi
    cat turned.log
    grep -qiE 'tls|certificate|replied with error to list' turned.log
}

readonly SIZE=$((64 << 20))
head -c $SIZE /dev/urandom >data.img

# --- required, with client certificates ---

cp server.pem cert.pem
cp server-pkcs1.key key.pem
PORT=$(free_port)
cp data.img secret.img
up secret.img --name secret --listen "127.0.0.1:$PORT" --tls-cert cert.pem --tls-key key.pem --tls-ca ca.pem
GOOD=$(uri good)

check 'the status tells it, and the URI begins with nbds' \
    test "$(json secret .tls) $(json secret .tcpUri)" = "require nbds://127.0.0.1:$PORT/secret"
check 'nbdinfo with a certificate of the authority' size_is "$GOOD" $SIZE
check 'nbdinfo without one is turned away' turned_away nbdinfo --size "$(uri without)"
check 'nbdinfo with one of another authority is turned away' turned_away nbdinfo --size "$(uri wrong)"
check 'nbdinfo that does not believe the server goes away' turned_away nbdinfo --size "$(uri distrusts)"
check 'nbdinfo in the clear is turned away' turned_away nbdinfo --size "nbd://localhost:$PORT/secret"
check 'nbdinfo --list in the clear is turned away' turned_away nbdinfo --list "nbd://localhost:$PORT"
check 'the Unix socket serves its owner without TLS' size_is "$UP_URI" $SIZE
check 'and with it' size_is "nbds+unix:///secret?socket=$UP_SOCKET&tls-certificates=$WORK/good&tls-verify-peer=false" $SIZE

copies() {
    nbdcopy "$GOOD" copied.img
    cmp data.img copied.img
    head -c $SIZE /dev/urandom >new.img
    nbdcopy --flush --connections=4 new.img "$GOOD"
    nbdcopy "$UP_URI" copied.img
    cmp new.img copied.img
}

extents() {
    $PYTHON -I - "$GOOD" <<'P'
import sys, nbd
h = nbd.NBD()
h.add_meta_context("base:allocation")
h.set_uri_allow_local_file(True)
h.connect_uri(sys.argv[1])
assert h.get_tls_negotiated() and h.get_structured_replies_negotiated()
h.zero(1 << 20, 4 << 20)
found = []
h.block_status(8 << 20, 0, lambda context, offset, entries, error: found.extend(entries))
assert found == [4 << 20, 0, 1 << 20, 3, 3 << 20, 0], found
assert h.pread(1 << 20, 4 << 20) == bytes(1 << 20)
h.shutdown()
P
}

qemu() { # FILE: of ours, by qemu-img over TLS
    qemu-img convert --object "tls-creds-x509,id=tls0,endpoint=client,dir=$WORK/$2" \
        --image-opts "driver=raw,file.driver=nbd,file.server.type=inet,file.server.host=localhost,file.server.port=$PORT,file.export=secret,file.tls-creds=tls0" \
        -O raw "$1"
}

qemu_converts() {
    qemu converted.img good
    nbdcopy "$UP_URI" plain.img
    cmp plain.img converted.img
}

qemu_without() {
    turned_away qemu none.img without
}

check 'nbdcopy in and out, four connections' copies
check 'nbdsh: structured replies and extents under TLS' extents
if command -v qemu-img >/dev/null; then
    check 'qemu-img convert over TLS' qemu_converts
    check 'qemu-img without a certificate is turned away' qemu_without
else
    skip 'qemu-img over TLS' 'not installed'
fi

# --- renewed ---

said() { # TEXT
    grep -q "$1" "$UP_LOG"
}

renewed_is_served() { # the new server's key is on another curve, so its certificate is another
    size_is "$GOOD" $SIZE
    $PYTHON -I - "$PORT" renewed.pem ca.pem good <<'P'
import socket, ssl, struct, sys
plain = socket.create_connection(("localhost", int(sys.argv[1])))
def receive(length):
    data = b""
    while len(data) < length:
        piece = plain.recv(length - len(data))
        assert piece
        data += piece
    return data
receive(18)
plain.sendall(struct.pack(">IQII", 3, 0x49484156454F5054, 5, 0))
assert struct.unpack(">I", receive(20)[12:16])[0] == 1
context = ssl.create_default_context(cafile=sys.argv[3])
context.load_cert_chain(f"{sys.argv[4]}/client-cert.pem", f"{sys.argv[4]}/client-key.pem")
with context.wrap_socket(plain, server_hostname="localhost") as encrypted:
    shown = encrypted.getpeercert(True)
wanted = ssl.PEM_cert_to_DER_cert(open(sys.argv[2]).read())
sys.exit(0 if shown == wanted else "the server shows another certificate")
P
}

reload_broken() {
    cp renewed.pem cert.pem # and the old key
    kill -HUP "$UP_PID"
    wait_for 20 said 'the old ones stay in use: the key in'
    size_is "$GOOD" $SIZE
    printf 'nonsense\n' >cert.pem
    kill -HUP "$UP_PID"
    wait_for 20 said 'the old ones stay in use: no certificate'
    size_is "$GOOD" $SIZE
}

reload_good() {
    cp renewed.pem cert.pem
    cp renewed-sec1.key key.pem
    kill -HUP "$UP_PID"
    wait_for 20 said 'were read again, and are in use from now on'
    renewed_is_served
}

check 'SIGHUP with a broken pair keeps the old one, and says so' reload_broken
check 'SIGHUP with a new pair has it in use' reload_good
must 'down' down secret

# --- allowed ---

PORT=$(free_port)
cp data.img open.img
up open.img --name open --listen "127.0.0.1:$PORT" --tls allow --tls-cert server.pem --tls-key server.key
check 'allowed: a client in the clear' size_is "nbd://localhost:$PORT/open" $SIZE
check 'allowed: a client with TLS, without a certificate' size_is "$(uri without)" $SIZE
must 'down of that' down open

# --- what is refused ---

check 'beyond the loopback only with TLS required, or --insecure' \
    refuses 2 'on the loopback only' ramback up data.img --name refused --listen "0.0.0.0:$PORT" --tls allow \
    --tls-cert server.pem --tls-key server.key --ram-dir "$RAM"
check 'a key of another certificate' \
    refuses 2 'is not that of the certificate' ramback up data.img --name refused --tls-cert server.pem --tls-key client.key \
    --ram-dir "$RAM"
check 'a file that is not there' \
    refuses 2 'no-such.pem does not exist' ramback up data.img --name refused --tls-cert no-such.pem --tls-key client.key \
    --ram-dir "$RAM"
