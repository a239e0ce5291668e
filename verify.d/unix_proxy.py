"""Passes what comes to a TCP port of the loopback on to a Unix socket: for programs that speak HTTP only to a port.

usage: unix_proxy.py PORT SOCKET
"""

import socket
import sys
import threading


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        sink.close()


def serve(client, path):
    server = socket.socket(socket.AF_UNIX)
    server.connect(path)
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    pump(server, client)


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection, sys.argv[2]), daemon=True).start()
