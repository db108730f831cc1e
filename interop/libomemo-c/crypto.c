/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What libomemo-c wants of a cryptographic library, from OpenSSL; and the payloads, which it leaves to its caller. */

#include "peer.h"

#include <hkdf.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

enum { MAC_LENGTH = 16, TAG_LENGTH = 16, IV_LENGTH = 12, LEGACY_KEY_LENGTH = 16, KEY_LENGTH = 32 };

int crypto_random(uint8_t *data, size_t length, void *user_data) {
    (void)user_data;
    return RAND_bytes(data, length) == 1 ? 0 : SG_ERR_UNKNOWN;
}

static int mac_init(void **mac, const uint8_t *key, size_t length, void *user_data) {
    (void)user_data;
    static const uint8_t none;
    EVP_PKEY *mac_key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, key ? key : &none, length);
    EVP_MD_CTX *state = EVP_MD_CTX_new();
    *mac = state;
    int done = mac_key && state && EVP_DigestSignInit(state, NULL, EVP_sha256(), NULL, mac_key) == 1;
    EVP_PKEY_free(mac_key);
    return done ? 0 : SG_ERR_UNKNOWN;
}

static int mac_update(void *mac, const uint8_t *data, size_t length, void *user_data) {
    (void)user_data;
    return EVP_DigestSignUpdate(mac, data, length) == 1 ? 0 : SG_ERR_UNKNOWN;
}

static int mac_final(void *mac, signal_buffer **output, void *user_data) {
    (void)user_data;
    uint8_t bytes[32];
    size_t length = sizeof bytes;
    if (EVP_DigestSignFinal(mac, bytes, &length) != 1) return SG_ERR_UNKNOWN;
    *output = signal_buffer_create(bytes, length);
    return *output ? 0 : SG_ERR_NOMEM;
}

static int digest_init(void **digest, void *user_data) {
    (void)user_data;
    *digest = EVP_MD_CTX_new();
    return *digest && EVP_DigestInit_ex(*digest, EVP_sha512(), NULL) == 1 ? 0 : SG_ERR_UNKNOWN;
}

static int digest_update(void *digest, const uint8_t *data, size_t length, void *user_data) {
    (void)user_data;
    return EVP_DigestUpdate(digest, data, length) == 1 ? 0 : SG_ERR_UNKNOWN;
}

static int digest_final(void *digest, signal_buffer **output, void *user_data) {
    (void)user_data;
    uint8_t bytes[64];
    if (EVP_DigestFinal_ex(digest, bytes, NULL) != 1 || EVP_DigestInit_ex(digest, EVP_sha512(), NULL) != 1)
        return SG_ERR_UNKNOWN;
    *output = signal_buffer_create(bytes, sizeof bytes);
    return *output ? 0 : SG_ERR_NOMEM;
}

static void digest_cleanup(void *digest, void *user_data) {
    (void)user_data;
    EVP_MD_CTX_free(digest);
}

static int cbc(int encrypts, signal_buffer **output, int cipher, const uint8_t *key, size_t key_length,
               const uint8_t *iv, size_t iv_length, const uint8_t *input, size_t length) {
    if (cipher != SG_CIPHER_AES_CBC_PKCS5 || key_length != KEY_LENGTH || iv_length != 16) return SG_ERR_INVAL;
    EVP_CIPHER_CTX *state = EVP_CIPHER_CTX_new();
    uint8_t *bytes = malloc(length + 16);
    int written = 0, rest = 0;
    int done = state && bytes && EVP_CipherInit_ex(state, EVP_aes_256_cbc(), NULL, key, iv, encrypts) == 1 &&
               EVP_CipherUpdate(state, bytes, &written, input, length) == 1 &&
               EVP_CipherFinal_ex(state, bytes + written, &rest) == 1;
    if (done) *output = signal_buffer_create(bytes, written + rest);
    free(bytes);
    EVP_CIPHER_CTX_free(state);
    return done && *output ? 0 : SG_ERR_UNKNOWN;
}

static int cbc_encrypt(signal_buffer **output, int cipher, const uint8_t *key, size_t key_length, const uint8_t *iv,
                       size_t iv_length, const uint8_t *plaintext, size_t length, void *user_data) {
    (void)user_data;
    return cbc(1, output, cipher, key, key_length, iv, iv_length, plaintext, length);
}

static int cbc_decrypt(signal_buffer **output, int cipher, const uint8_t *key, size_t key_length, const uint8_t *iv,
                       size_t iv_length, const uint8_t *ciphertext, size_t length, void *user_data) {
    (void)user_data;
    return cbc(0, output, cipher, key, key_length, iv, iv_length, ciphertext, length);
}

int crypto_set_up(void) {
    static const signal_crypto_provider provider = {.random_func = crypto_random,
                                                    .hmac_sha256_init_func = mac_init,
                                                    .hmac_sha256_update_func = mac_update,
                                                    .hmac_sha256_final_func = mac_final,
                                                    .hmac_sha256_cleanup_func = digest_cleanup,
                                                    .sha512_digest_init_func = digest_init,
                                                    .sha512_digest_update_func = digest_update,
                                                    .sha512_digest_final_func = digest_final,
                                                    .sha512_digest_cleanup_func = digest_cleanup,
                                                    .encrypt_func = cbc_encrypt,
                                                    .decrypt_func = cbc_decrypt};
    return signal_context_set_crypto_provider(context, &provider);
}

/* 32 bytes to encrypt with, 32 to authenticate with, 16 of IV (XEP-0384 0.9.1, section 4.4). */
static int derive(const uint8_t *key, uint8_t **keys) {
    static const uint8_t salt[32];
    static const char info[] = "OMEMO Payload";
    OWNED hkdf_context *hkdf = NULL;
    TRY(hkdf_create(&hkdf, LEGACY, context));
    ssize_t length =
        hkdf_derive_secrets(hkdf, keys, key, KEY_LENGTH, salt, sizeof salt, (const uint8_t *)info, sizeof info - 1, 80);
    return length == 80 ? 0 : SG_ERR_UNKNOWN;
}

static void mac(const uint8_t *keys, signal_buffer *ciphertext, uint8_t tag[32]) {
    HMAC(EVP_sha256(), keys + 32, 32, signal_buffer_data(ciphertext), signal_buffer_len(ciphertext), tag, NULL);
}

static int seal_omemo_2(signal_buffer *plaintext, signal_buffer **material, signal_buffer **payload) {
    uint8_t bytes[KEY_LENGTH + 32];
    BYTES *keys = NULL;
    TRY(crypto_random(bytes, KEY_LENGTH, NULL));
    TRY(derive(bytes, &keys));
    TRY(cbc(1, payload, SG_CIPHER_AES_CBC_PKCS5, keys, KEY_LENGTH, keys + 64, 16, signal_buffer_data(plaintext),
            signal_buffer_len(plaintext)));
    mac(keys, *payload, bytes + KEY_LENGTH);
    *material = signal_buffer_create(bytes, KEY_LENGTH + MAC_LENGTH);
    return *material ? 0 : SG_ERR_NOMEM;
}

static int open_omemo_2(signal_buffer *material, signal_buffer *payload, signal_buffer **plaintext) {
    if (signal_buffer_len(material) != KEY_LENGTH + MAC_LENGTH) return SG_ERR_INVALID_MESSAGE;
    uint8_t tag[32];
    BYTES *keys = NULL;
    TRY(derive(signal_buffer_data(material), &keys));
    mac(keys, payload, tag);
    if (memcmp(tag, signal_buffer_data(material) + KEY_LENGTH, MAC_LENGTH) != 0) return SG_ERR_INVALID_MAC;
    return cbc(0, plaintext, SG_CIPHER_AES_CBC_PKCS5, keys, KEY_LENGTH, keys + 64, 16, signal_buffer_data(payload),
               signal_buffer_len(payload));
}

/* AES-128-GCM. The tag is written, or compared (XEP-0384 0.3.0, section 4.4). */
static int gcm(int encrypts, const uint8_t *key, signal_buffer *iv, signal_buffer *input, signal_buffer **output,
               uint8_t *tag) {
    *output = signal_buffer_alloc(signal_buffer_len(input));
    EVP_CIPHER_CTX *state = EVP_CIPHER_CTX_new();
    uint8_t end[16];
    int length = 0;
    int done = *output && state && EVP_CipherInit_ex(state, EVP_aes_128_gcm(), NULL, NULL, NULL, encrypts) == 1 &&
               EVP_CIPHER_CTX_ctrl(state, EVP_CTRL_GCM_SET_IVLEN, signal_buffer_len(iv), NULL) == 1 &&
               EVP_CipherInit_ex(state, NULL, NULL, key, signal_buffer_data(iv), encrypts) == 1 &&
               (encrypts || EVP_CIPHER_CTX_ctrl(state, EVP_CTRL_GCM_SET_TAG, TAG_LENGTH, tag) == 1) &&
               (signal_buffer_len(input) == 0 ||
                EVP_CipherUpdate(state, signal_buffer_data(*output), &length, signal_buffer_data(input),
                                 signal_buffer_len(input)) == 1) &&
               EVP_CipherFinal_ex(state, end, &length) == 1 &&
               (!encrypts || EVP_CIPHER_CTX_ctrl(state, EVP_CTRL_GCM_GET_TAG, TAG_LENGTH, tag) == 1);
    EVP_CIPHER_CTX_free(state);
    return done ? 0 : SG_ERR_INVALID_MAC;
}

static int seal_legacy(signal_buffer *plaintext, signal_buffer **material, signal_buffer **payload, signal_buffer **iv) {
    uint8_t bytes[LEGACY_KEY_LENGTH + TAG_LENGTH];
    TRY(crypto_random(bytes, LEGACY_KEY_LENGTH, NULL));
    *iv = signal_buffer_alloc(IV_LENGTH);
    if (!*iv) return SG_ERR_NOMEM;
    TRY(crypto_random(signal_buffer_data(*iv), IV_LENGTH, NULL));
    TRY(gcm(1, bytes, *iv, plaintext, payload, bytes + LEGACY_KEY_LENGTH));
    *material = signal_buffer_create(bytes, sizeof bytes);
    return *material ? 0 : SG_ERR_NOMEM;
}

static int open_legacy(signal_buffer *material, signal_buffer *payload, signal_buffer *iv, signal_buffer **plaintext) {
    if (signal_buffer_len(material) != LEGACY_KEY_LENGTH + TAG_LENGTH) return SG_ERR_INVALID_MESSAGE;
    uint8_t *key = signal_buffer_data(material);
    return gcm(0, key, iv, payload, plaintext, key + LEGACY_KEY_LENGTH);
}

int payload_seal(enum version version, signal_buffer *plaintext, signal_buffer **material, signal_buffer **payload,
                 signal_buffer **iv) {
    if (version == LEGACY) return seal_legacy(plaintext, material, payload, iv);
    *iv = signal_buffer_alloc(0);
    return seal_omemo_2(plaintext, material, payload);
}

int payload_empty(enum version version, signal_buffer **material) {
    uint8_t bytes[KEY_LENGTH] = {0};
    if (version == LEGACY) TRY(crypto_random(bytes, LEGACY_KEY_LENGTH, NULL));
    *material = signal_buffer_create(bytes, version == LEGACY ? LEGACY_KEY_LENGTH : KEY_LENGTH);
    return *material ? 0 : SG_ERR_NOMEM;
}

int payload_open(enum version version, signal_buffer *material, signal_buffer *payload, signal_buffer *iv,
                 signal_buffer **plaintext) {
    return version == LEGACY ? open_legacy(material, payload, iv, plaintext) : open_omemo_2(material, payload, plaintext);
}
