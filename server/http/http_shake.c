/* Handshakes.  libmicrohttpd goes round and round, without a pause, for each connection whose
 * handshake waits for the peer: three bytes of a hello would cost a core for as long as the
 * peer likes.  So it never has such a connection.  It is suspended from accept on, this file
 * waits for the peer, and libmicrohttpd gets it back when there is something to read.
 *
 * A handshake costs as much as a hundred requests, so a turn of the loop has one step of one of
 * them, and requests on connections that stand wait for that one at most.  Peers whose address
 * has few connections have a lane of their own, so that they do not queue behind a flood. */

#include "server/http/http_inner.h"

#include <sys/epoll.h>

/* --- lanes --- */

void http_shake_init(struct http_loop *loop)
{
	for (int i = 0; i < HTTP_LANES; i++)
		loop->lanes[i].end = &loop->lanes[i].head;
}

static void lane_put(struct http_lane *lane, struct http_conn *conn)
{
	conn->next_ready = NULL;
	*lane->end = conn;
	lane->end = &conn->next_ready;
}

static struct http_conn *lane_take(struct http_lane *lane)
{
	struct http_conn *conn = lane->head;

	if (!conn)
		return NULL;
	lane->head = conn->next_ready;
	if (!lane->head)
		lane->end = &lane->head;
	return conn;
}

void http_shake_ready(struct http_conn *conn)
{
	lane_put(&conn->loop->lanes[conn->crowded], conn);
}

bool http_shake_waits(const struct http_loop *loop)
{
	return loop->lanes[0].head || loop->lanes[1].head;
}

/* --- waiting for the peer --- */

static void shake_wait(struct http_conn *conn, int how)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = conn };

	MHD_suspend_connection(conn->connection);
	conn->shake = SHAKE_WAITS;
	/* Without a watch nobody would ever look at it again. */
	if (epoll_ctl(conn->loop->epoll_fd, how, conn->fd, &event) < 0)
		http_shake_ready(conn);
}

/* --- turns --- */

void http_shake_next(struct http_loop *loop)
{
	struct http_conn *conn = lane_take(&loop->lanes[loop->lane]);

	loop->lane = !loop->lane;
	if (!conn)
		conn = lane_take(&loop->lanes[loop->lane]);
	if (!conn)
		return;
	loop->shaking = conn;
	MHD_resume_connection(conn->connection);
}

void http_shake_after(struct http_loop *loop)
{
	struct http_conn *conn = loop->shaking;

	/* New ones are at the head of the list. */
	for (struct http_conn *c = loop->conns; c && c->shake == SHAKE_NEW; c = c->next)
		shake_wait(c, EPOLL_CTL_ADD);
	loop->shaking = NULL;
	if (conn && !conn->finished) {
		shake_wait(conn, EPOLL_CTL_MOD);
	} else if (conn) {
		conn->shake = SHAKE_DONE;
		(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
	}
}

void http_shake_forget(struct http_conn *conn)
{
	if (conn->loop->shaking == conn)
		conn->loop->shaking = NULL;
}

void http_shake_stop(struct http_loop *loop)
{
	for (struct http_conn *conn = loop->conns; conn; conn = conn->next)
		if (conn->shake == SHAKE_WAITS)
			MHD_resume_connection(conn->connection);
}
