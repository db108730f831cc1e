/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a device keeps for one protocol, in memory. */

#include "peer.h"

#include <string.h>

static struct record **find(struct store *store, enum kind kind, const char *name, size_t length, int64_t id) {
    struct record **at = &store->records;
    for (; *at; at = &(*at)->next) {
        struct record *record = *at;
        if (record->kind == kind && record->id == id && strlen(record->name) == length &&
            memcmp(record->name, name, length) == 0)
            return at;
    }
    return at;
}

static int load(struct store *store, signal_buffer **data, enum kind kind, const char *name, size_t length, int64_t id) {
    struct record *record = *find(store, kind, name, length, id);
    if (!record) return 0;
    *data = signal_buffer_copy(record->data);
    return *data ? 1 : SG_ERR_NOMEM;
}

static int put(struct store *store, enum kind kind, const char *name, size_t length, int64_t id, const uint8_t *data,
               size_t data_length) {
    struct record **at = find(store, kind, name, length, id);
    if (!*at) {
        struct record *record = calloc(1, sizeof *record);
        if (!record) return SG_ERR_NOMEM;
        *record = (struct record){.kind = kind, .name = strndup(name, length), .id = id};
        *at = record;
    }
    signal_buffer_free((*at)->data);
    (*at)->data = signal_buffer_create(data, data_length);
    return (*at)->name && (*at)->data ? 0 : SG_ERR_NOMEM;
}

static int take(struct store *store, enum kind kind, const char *name, size_t length, int64_t id) {
    struct record **at = find(store, kind, name, length, id);
    struct record *record = *at;
    if (!record) return 0;
    *at = record->next;
    signal_buffer_free(record->data);
    free(record->name);
    free(record);
    return 1;
}

#define SESSION_OF(address) SESSION, (address)->name, (address)->name_len, (address)->device_id

static int load_session(signal_buffer **data, signal_buffer **user, const signal_protocol_address *address, void *store) {
    (void)user;
    return load(store, data, SESSION_OF(address));
}

static int store_session(const signal_protocol_address *address, uint8_t *data, size_t length, uint8_t *user,
                         size_t user_length, void *store) {
    (void)user, (void)user_length;
    return put(store, SESSION_OF(address), data, length);
}

static int contains_session(const signal_protocol_address *address, void *store) {
    return *find(store, SESSION_OF(address)) != NULL;
}

static int delete_session(const signal_protocol_address *address, void *store) {
    return take(store, SESSION_OF(address));
}

static int load_key(struct store *store, signal_buffer **data, enum kind kind, uint32_t id) {
    int found = load(store, data, kind, "", 0, id);
    return found == 0 ? SG_ERR_INVALID_KEY_ID : found < 0 ? found : SG_SUCCESS;
}

static int load_pre_key(signal_buffer **data, uint32_t id, void *store) { return load_key(store, data, PRE_KEY, id); }

static int store_pre_key(uint32_t id, uint8_t *data, size_t length, void *store) {
    return put(store, PRE_KEY, "", 0, id, data, length);
}

static int contains_pre_key(uint32_t id, void *store) { return *find(store, PRE_KEY, "", 0, id) != NULL; }

static int remove_pre_key(uint32_t id, void *store) {
    take(store, PRE_KEY, "", 0, id);
    return 0;
}

static int load_signed_pre_key(signal_buffer **data, uint32_t id, void *store) {
    return load_key(store, data, SIGNED_PRE_KEY, id);
}

static int store_signed_pre_key(uint32_t id, uint8_t *data, size_t length, void *store) {
    return put(store, SIGNED_PRE_KEY, "", 0, id, data, length);
}

static int contains_signed_pre_key(uint32_t id, void *store) { return *find(store, SIGNED_PRE_KEY, "", 0, id) != NULL; }

static int remove_signed_pre_key(uint32_t id, void *store) {
    take(store, SIGNED_PRE_KEY, "", 0, id);
    return 0;
}

static int get_identity_key_pair(signal_buffer **public_data, signal_buffer **private_data, void *store) {
    ratchet_identity_key_pair *identity = ((struct store *)store)->identity;
    TRY(ec_public_key_serialize(public_data, ratchet_identity_key_pair_get_public(identity)));
    return ec_private_key_serialize(private_data, ratchet_identity_key_pair_get_private(identity));
}

static int get_registration_id(void *store, uint32_t *id) {
    *id = ((struct store *)store)->registration_id;
    return 0;
}

/* Identity keys are judged above libomemo-c, as OMEMO wants it. */
static int save_identity(const signal_protocol_address *address, uint8_t *data, size_t length, void *store) {
    (void)address, (void)data, (void)length, (void)store;
    return 0;
}

static int is_trusted(const signal_protocol_address *address, uint8_t *data, size_t length, void *store) {
    (void)address, (void)data, (void)length, (void)store;
    return 1;
}

int store_set_up(struct store *store, ratchet_identity_key_pair *identity, uint32_t registration_id) {
    signal_protocol_session_store sessions = {.load_session_func = load_session,
                                              .store_session_func = store_session,
                                              .contains_session_func = contains_session,
                                              .delete_session_func = delete_session,
                                              .user_data = store};
    signal_protocol_pre_key_store pre_keys = {.load_pre_key = load_pre_key,
                                              .store_pre_key = store_pre_key,
                                              .contains_pre_key = contains_pre_key,
                                              .remove_pre_key = remove_pre_key,
                                              .user_data = store};
    signal_protocol_signed_pre_key_store signed_pre_keys = {.load_signed_pre_key = load_signed_pre_key,
                                                            .store_signed_pre_key = store_signed_pre_key,
                                                            .contains_signed_pre_key = contains_signed_pre_key,
                                                            .remove_signed_pre_key = remove_signed_pre_key,
                                                            .user_data = store};
    signal_protocol_identity_key_store identities = {.get_identity_key_pair = get_identity_key_pair,
                                                     .get_local_registration_id = get_registration_id,
                                                     .save_identity = save_identity,
                                                     .is_trusted_identity = is_trusted,
                                                     .user_data = store};
    *store = (struct store){.identity = identity, .registration_id = registration_id};
    TRY(signal_protocol_store_context_create(&store->interface, context));
    TRY(signal_protocol_store_context_set_session_store(store->interface, &sessions));
    TRY(signal_protocol_store_context_set_pre_key_store(store->interface, &pre_keys));
    TRY(signal_protocol_store_context_set_signed_pre_key_store(store->interface, &signed_pre_keys));
    return signal_protocol_store_context_set_identity_key_store(store->interface, &identities);
}
