/* systemd's notify protocol (sd_notify(3)), by hand: one datagram to $NOTIFY_SOCKET.  Without
 * that variable nothing happens. */
#pragma once

#include "base/rc.h"

#include <stdint.h>

/* state is lines of NAME=value, such as "READY=1\nSTATUS=serving". */
void sd_tell(const char *state);
/* How often systemd wants to hear from this process, microseconds; 0: never. */
int64_t sd_watchdog_us(void);
