/* One device of load_dtls: its DTLS session. */
#pragma once

#include "tests/bench/load.h"

#include <openssl/ssl.h>
#include <sys/queue.h>
#include <unistd.h>

struct options {
	uint64_t port, sessions, window, dial_window, server_pid, first, certs, szx, rate,
		post_permille;
	double seconds, warm;
	const char *psk_secret, *psk_hex, *prefix, *cert, *key, *cert_dir, *ciphers, *mode,
		*path, *post_path, *post_body;
	bool resume;
	int64_t give_up_us; /* a handshake */
};

struct session {
	uint32_t number;
	int fd;
	SSL *ssl; /* NULL: not there */
	SSL_SESSION *ticket;
	bool open, asking;
	int64_t began_at, asked_at, repeated_at;
	int repeats;
	uint16_t mid, turn;
	uint32_t block;
	uint8_t message[MESSAGE_MAX];
	size_t size;
	X509 *cert;
	EVP_PKEY *key;
	TAILQ_ENTRY(session) in;
};
TAILQ_HEAD(session_list, session);

void session_library(const struct options *options);
/* A socket of its own source address, and the beginning of a handshake. */
bool session_open(struct session *s, const struct options *options, int epoll);
void session_close(struct session *s);
/* 1: established; 0: goes on; -1: failed. */
int session_handshake(struct session *s);
bool session_was_resumed(const struct session *s);
/* Repeats what is due of a handshake. */
void session_timeout(struct session *s);
void session_send(struct session *s, const uint8_t *p, size_t n);
/* Bytes of a record; 0: none there; -1: closed. */
int session_receive(struct session *s, uint8_t *ret, size_t max);
