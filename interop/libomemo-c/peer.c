/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Devices of libomemo-c, driven over stdin and stdout.
 *
 * Each line is one command, its words parted by spaces, bytes in hexadecimal and "-" for none. It is answered by
 * "ok" and the results, or by "error" and libomemo-c's code. V is the protocol: 3 (legacy) or 4 (OMEMO 2). D is a device
 * of this process; JID and ID name one of the other side.
 *
 *   new                                            -> D, its identity key as X25519 and as Ed25519
 *   bundle D V                                     -> IK, SPK id, SPK, signature, then id and key of each pre key
 *   meet D V JID ID IK SPK-ID SPK SIG PK-ID PK     -> (opens a session from a bundle, in place of any)
 *   knows D V JID ID                               -> whether there is a session: 0 or 1
 *   encrypt D V JID ID MATERIAL                    -> whether it is a key exchange, the key element
 *   decrypt D V JID ID KEX ELEMENT                 -> the key material, the identity key of the session
 *   seal V PLAINTEXT | empty V                     -> the key material, the payload, its IV
 *   open V MATERIAL PAYLOAD IV                     -> the plaintext
 */

#include "peer.h"

#include <inttypes.h>
#include <key_helper.h>
#include <protocol.h>
#include <session_pre_key.h>
#include <session_record.h>
#include <session_state.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEVICES = 64, MAX_WORDS = 16, PRE_KEYS = 100, SIGNED_PRE_KEY_ID = 1 };

signal_context *context;

static struct store devices[MAX_DEVICES][2];
static unsigned device_count;

void release_buffer(signal_buffer **buffer) { signal_buffer_free(*buffer); }
void release_bytes(uint8_t **bytes) { free(*bytes); }

void release(void *pointer) {
    void *object = *(void **)pointer;
    if (object) signal_type_unref(object);
}

static void release_builder(session_builder **builder) {
    if (*builder) session_builder_free(*builder);
}

static void release_cipher(session_cipher **cipher) {
    if (*cipher) session_cipher_free(*cipher);
}

/* Words in and out. */

/* What the command answers; thrown away if it fails. */
static FILE *answer;

static void print(signal_buffer *bytes) {
    putc(' ', answer);
    if (signal_buffer_len(bytes) == 0) putc('-', answer);
    for (size_t i = 0; i < signal_buffer_len(bytes); i++) fprintf(answer, "%02x", signal_buffer_data(bytes)[i]);
}

static int print_all(signal_buffer *first, signal_buffer *second, signal_buffer *third) {
    print(first);
    if (second) print(second);
    if (third) print(third);
    return 0;
}

static int bytes_of(const char *word, signal_buffer **bytes) {
    size_t length = strcmp(word, "-") == 0 ? 0 : strlen(word) / 2;
    if (!(*bytes = signal_buffer_alloc(length))) return SG_ERR_NOMEM;
    for (size_t i = 0; i < length; i++)
        if (sscanf(word + 2 * i, "%2" SCNx8, signal_buffer_data(*bytes) + i) != 1) return SG_ERR_INVAL;
    return 0;
}

static uint32_t number_of(const char *word) { return strtoul(word, NULL, 10); }

/* The device and the protocol that a command begins with. */
static struct store *store_of(char **words) {
    unsigned device = number_of(words[0]);
    return device < device_count ? &devices[device][number_of(words[1]) == OMEMO_2] : NULL;
}

static signal_protocol_address address_of(char **words) {
    return (signal_protocol_address){words[2], strlen(words[2]), (int32_t)number_of(words[3])};
}

/* Keys as they are encoded in bundles. */

static signal_buffer *encode(enum version version, const ec_public_key *key, int is_identity) {
    if (version == OMEMO_2) return is_identity ? ec_public_key_get_ed(key) : ec_public_key_get_mont(key);
    signal_buffer *bytes = NULL;
    return ec_public_key_serialize(&bytes, key) < 0 ? NULL : bytes;
}

static int decode(enum version version, const char *word, int is_identity, ec_public_key **key) {
    BUFFER *bytes = NULL;
    TRY(bytes_of(word, &bytes));
    const uint8_t *data = signal_buffer_data(bytes);
    size_t length = signal_buffer_len(bytes);
    if (version == LEGACY) return curve_decode_point(key, data, length, context);
    return is_identity ? curve_decode_point_ed(key, data, length, context)
                       : curve_decode_point_mont(key, data, length, context);
}

static int print_key(enum version version, const ec_public_key *key, int is_identity) {
    BUFFER *bytes = encode(version, key, is_identity);
    if (!bytes) return SG_ERR_NOMEM;
    print(bytes);
    return 0;
}

/* The commands. */

static int fill(struct store *store) {
    OWNED session_signed_pre_key *signed_pre_key = NULL;
    TRY(signal_protocol_key_helper_generate_signed_pre_key(&signed_pre_key, store->identity, SIGNED_PRE_KEY_ID, 0,
                                                           context));
    TRY(signal_protocol_signed_pre_key_store_key(store->interface, signed_pre_key));
    signal_protocol_key_helper_pre_key_list_node *head = NULL;
    TRY(signal_protocol_key_helper_generate_pre_keys(&head, 1, PRE_KEYS, context));
    int result = 0;
    for (signal_protocol_key_helper_pre_key_list_node *node = head; node && result == 0;
         node = signal_protocol_key_helper_key_list_next(node))
        result =
            signal_protocol_pre_key_store_key(store->interface, signal_protocol_key_helper_key_list_element(node));
    signal_protocol_key_helper_key_list_free(head);
    return result;
}

static int new_device(char **words) {
    (void)words;
    if (device_count == MAX_DEVICES) return SG_ERR_NOMEM;
    struct store *stores = devices[device_count];
    ratchet_identity_key_pair *identity = NULL;
    uint32_t registration_id;
    TRY(signal_protocol_key_helper_generate_identity_key_pair(&identity, context));
    TRY(signal_protocol_key_helper_generate_registration_id(&registration_id, 0, context));
    for (int i = 0; i < 2; i++) {
        TRY(store_set_up(&stores[i], identity, registration_id));
        TRY(fill(&stores[i]));
    }
    fprintf(answer, " %u", device_count++);
    ec_public_key *key = ratchet_identity_key_pair_get_public(identity);
    BUFFER *mont = ec_public_key_get_mont(key);
    BUFFER *ed = ec_public_key_get_ed(key);
    if (!mont || !ed) return SG_ERR_NOMEM;
    print(mont);
    print(ed);
    return 0;
}

static int bundle(char **words) {
    struct store *store = store_of(words);
    enum version version = number_of(words[1]);
    if (!store) return SG_ERR_INVAL;
    OWNED session_signed_pre_key *signed_pre_key = NULL;
    TRY(signal_protocol_signed_pre_key_load_key(store->interface, &signed_pre_key, SIGNED_PRE_KEY_ID));
    BUFFER *signature =
        version == OMEMO_2
            ? signal_buffer_create(session_signed_pre_key_get_signature_omemo(signed_pre_key),
                                   session_signed_pre_key_get_signature_omemo_len(signed_pre_key))
            : signal_buffer_create(session_signed_pre_key_get_signature(signed_pre_key),
                                   session_signed_pre_key_get_signature_len(signed_pre_key));
    TRY(print_key(version, ratchet_identity_key_pair_get_public(store->identity), 1));
    fprintf(answer, " %u", SIGNED_PRE_KEY_ID);
    TRY(print_key(version, ec_key_pair_get_public(session_signed_pre_key_get_key_pair(signed_pre_key)), 0));
    print(signature);
    for (struct record *record = store->records; record; record = record->next) {
        if (record->kind != PRE_KEY) continue;
        OWNED session_pre_key *pre_key = NULL;
        TRY(signal_protocol_pre_key_load_key(store->interface, &pre_key, record->id));
        fprintf(answer, " %u", session_pre_key_get_id(pre_key));
        TRY(print_key(version, ec_key_pair_get_public(session_pre_key_get_key_pair(pre_key)), 0));
    }
    return 0;
}

static int meet(char **words) {
    struct store *store = store_of(words);
    enum version version = number_of(words[1]);
    signal_protocol_address address = address_of(words);
    if (!store) return SG_ERR_INVAL;
    OWNED ec_public_key *identity_key = NULL, *signed_pre_key = NULL, *pre_key = NULL;
    BUFFER *signature = NULL;
    TRY(decode(version, words[4], 1, &identity_key));
    TRY(decode(version, words[6], 0, &signed_pre_key));
    TRY(bytes_of(words[7], &signature));
    TRY(decode(version, words[9], 0, &pre_key));
    OWNED session_pre_key_bundle *bundle = NULL;
    /* OMEMO has no registration ids. */
    TRY(session_pre_key_bundle_create(&bundle, 0, address.device_id, number_of(words[8]), pre_key, number_of(words[5]),
                                      signed_pre_key, signal_buffer_data(signature), signal_buffer_len(signature),
                                      identity_key));
    __attribute__((cleanup(release_builder))) session_builder *builder = NULL;
    TRY(session_builder_create(&builder, store->interface, &address, context));
    session_builder_set_version(builder, version);
    TRY(session_builder_process_pre_key_bundle(builder, bundle));
    return 0;
}

static int knows(char **words) {
    struct store *store = store_of(words);
    signal_protocol_address address = address_of(words);
    if (!store) return SG_ERR_INVAL;
    fprintf(answer, " %d", signal_protocol_session_contains_session(store->interface, &address));
    return 0;
}

static int cipher_for(char **words, signal_protocol_address *address, session_cipher **cipher) {
    struct store *store = store_of(words);
    if (!store) return SG_ERR_INVAL;
    *address = address_of(words);
    TRY(session_cipher_create(cipher, store->interface, address, context));
    session_cipher_set_version(*cipher, number_of(words[1]));
    return 0;
}

static int encrypt(char **words) {
    signal_protocol_address address;
    __attribute__((cleanup(release_cipher))) session_cipher *cipher = NULL;
    TRY(cipher_for(words, &address, &cipher));
    BUFFER *material = NULL;
    TRY(bytes_of(words[4], &material));
    OWNED ciphertext_message *message = NULL;
    TRY(session_cipher_encrypt(cipher, signal_buffer_data(material), signal_buffer_len(material), &message));
    fprintf(answer, " %d", ciphertext_message_get_type(message) == CIPHERTEXT_PREKEY_TYPE);
    print(ciphertext_message_get_serialized(message));
    return 0;
}

static int decrypt_element(char **words, session_cipher *cipher, signal_buffer *element, signal_buffer **material) {
    enum version version = number_of(words[1]);
    const uint8_t *data = signal_buffer_data(element);
    size_t length = signal_buffer_len(element);
    if (number_of(words[4])) {
        OWNED pre_key_signal_message *message = NULL;
        TRY(version == OMEMO_2 ? pre_key_signal_message_deserialize_omemo(&message, data, length, 0, context)
                               : pre_key_signal_message_deserialize(&message, data, length, context));
        return session_cipher_decrypt_pre_key_signal_message(cipher, message, NULL, material);
    }
    OWNED signal_message *message = NULL;
    TRY(version == OMEMO_2 ? signal_message_deserialize_omemo(&message, data, length, context)
                           : signal_message_deserialize(&message, data, length, context));
    return session_cipher_decrypt_signal_message(cipher, message, NULL, material);
}

static int decrypt(char **words) {
    signal_protocol_address address;
    __attribute__((cleanup(release_cipher))) session_cipher *cipher = NULL;
    TRY(cipher_for(words, &address, &cipher));
    BUFFER *element = NULL, *material = NULL;
    TRY(bytes_of(words[5], &element));
    TRY(decrypt_element(words, cipher, element, &material));
    OWNED session_record *record = NULL;
    TRY(signal_protocol_session_load_session(store_of(words)->interface, &record, &address, number_of(words[1])));
    BUFFER *identity_key =
        ec_public_key_get_mont(session_state_get_remote_identity_key(session_record_get_state(record)));
    return identity_key ? print_all(material, identity_key, NULL) : SG_ERR_UNKNOWN;
}

static int seal(char **words) {
    BUFFER *plaintext = NULL, *material = NULL, *payload = NULL, *iv = NULL;
    TRY(bytes_of(words[1], &plaintext));
    TRY(payload_seal(number_of(words[0]), plaintext, &material, &payload, &iv));
    return print_all(material, payload, iv);
}

static int empty(char **words) {
    BUFFER *material = NULL;
    TRY(payload_empty(number_of(words[0]), &material));
    return print_all(material, NULL, NULL);
}

static int open_payload(char **words) {
    BUFFER *material = NULL, *payload = NULL, *iv = NULL, *plaintext = NULL;
    TRY(bytes_of(words[1], &material));
    TRY(bytes_of(words[2], &payload));
    TRY(bytes_of(words[3], &iv));
    TRY(payload_open(number_of(words[0]), material, payload, iv, &plaintext));
    return print_all(plaintext, NULL, NULL);
}

static const struct command {
    const char *name;
    int words;
    int (*run)(char **words);
} commands[] = {{"new", 0, new_device}, {"bundle", 2, bundle},   {"meet", 10, meet},  {"knows", 4, knows},
                {"encrypt", 5, encrypt}, {"decrypt", 6, decrypt}, {"seal", 2, seal},   {"empty", 1, empty},
                {"open", 4, open_payload}};

static int run(char *line) {
    char *words[MAX_WORDS] = {0};
    int count = 0;
    for (char *word = strtok(line, " \n"); word && count < MAX_WORDS; word = strtok(NULL, " \n")) words[count++] = word;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (count > 0 && strcmp(words[0], commands[i].name) == 0 && count == commands[i].words + 1)
            return commands[i].run(words + 1);
    return SG_ERR_INVAL;
}

static void log_line(int level, const char *message, size_t length, void *user_data) {
    (void)level, (void)user_data;
    fprintf(stderr, "%.*s\n", (int)length, message);
}

int main(void) {
    if (signal_context_create(&context, NULL) < 0 || crypto_set_up() < 0) return 1;
    signal_context_set_log_function(context, log_line);
    puts("ready");
    fflush(stdout);
    char *line = NULL, *text = NULL;
    size_t size = 0, length = 0;
    while (getline(&line, &size, stdin) > 0) {
        answer = open_memstream(&text, &length);
        int result = answer ? run(line) : SG_ERR_NOMEM;
        if (answer) fclose(answer);
        if (result < 0)
            printf("error %d\n", result);
        else
            printf("ok%s\n", text);
        fflush(stdout);
        free(text);
        text = NULL;
    }
    free(line);
    signal_context_destroy(context);
    return 0;
}
