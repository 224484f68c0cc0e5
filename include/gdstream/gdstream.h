/* SPDX-License-Identifier: MIT */
/**
 * Everything of libgdstream but gdstream/gnutls.h, which includes a header of GnuTLS. See
 * gdstream(3).
 */
#ifndef GDSTREAM_GDSTREAM_H
#define GDSTREAM_GDSTREAM_H

#include <gdstream/acceptor.h>
#include <gdstream/address.h>
#include <gdstream/api.h>
#include <gdstream/attempt.h>
#include <gdstream/carrier.h>
#include <gdstream/catalogue.h>
#include <gdstream/client.h>
#include <gdstream/demux.h>
#include <gdstream/env.h>
#include <gdstream/error.h>
#include <gdstream/header.h>
#include <gdstream/identity.h>
#include <gdstream/listener.h>
#include <gdstream/machine.h>
#include <gdstream/race.h>
#include <gdstream/resolver.h>
#include <gdstream/serve.h>
#include <gdstream/session.h>
#include <gdstream/socket.h>
#include <gdstream/tunnel.h>
#include <gdstream/wait.h>

#endif
