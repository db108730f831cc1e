/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the parts of the peer know of each other. A function that can fail returns 0, or a negative SG_ERR code. */

#ifndef PEER_H
#define PEER_H

#include <session_builder.h>
#include <session_cipher.h>
#include <signal_protocol.h>

/* Runs a step, and leaves with its error if it fails. */
#define TRY(step) \
    do { \
        int result_ = (step); \
        if (result_ < 0) return result_; \
    } while (0)

/* A variable that gives back what it points to when it goes out of scope. */
#define BUFFER __attribute__((cleanup(release_buffer))) signal_buffer
#define BYTES __attribute__((cleanup(release_bytes))) uint8_t
#define OWNED __attribute__((cleanup(release)))

void release_buffer(signal_buffer **buffer);
void release_bytes(uint8_t **bytes);
/* For everything that counts its references. */
void release(void *pointer);

/* The protocol by the version number that libomemo-c gives it. */
enum version { LEGACY = 3, OMEMO_2 = 4 };

extern signal_context *context;

/* crypto.c: what libomemo-c wants of a cryptographic library, and the payloads, which it leaves to its caller. */

int crypto_set_up(void);
int crypto_random(uint8_t *data, size_t length, void *user_data);
/* Encrypts a payload with a fresh key. `material` goes into the key elements. The iv is empty in OMEMO 2. */
int payload_seal(enum version version, signal_buffer *plaintext, signal_buffer **material, signal_buffer **payload,
                 signal_buffer **iv);
/* What an empty message carries instead of a key. */
int payload_empty(enum version version, signal_buffer **material);
int payload_open(enum version version, signal_buffer *material, signal_buffer *payload, signal_buffer *iv,
                 signal_buffer **plaintext);

/* store.c: what a device keeps for one protocol, in memory. */

enum kind { SESSION, PRE_KEY, SIGNED_PRE_KEY };

struct record {
    enum kind kind;
    char *name; /* the account of a session */
    int64_t id;
    signal_buffer *data;
    struct record *next;
};

struct store {
    ratchet_identity_key_pair *identity;
    uint32_t registration_id;
    struct record *records;
    signal_protocol_store_context *interface;
};

int store_set_up(struct store *store, ratchet_identity_key_pair *identity, uint32_t registration_id);

#endif
