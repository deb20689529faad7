/* This room's libraries: which they are, and where they find the machine's certificates. */
#include <curl/curl.h>
#include <expat.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <string.h>
#include <unistd.h>

#include "pinfeed/aws.h"

void aws_print_libraries(FILE *f) {
        fprintf(f, "OpenSSL %s\ncurl %s\nexpat %s\njansson %s\n", OpenSSL_version(OPENSSL_VERSION_STRING),
                curl_version_info(CURLVERSION_NOW)->version, XML_ExpatVersion() + strlen("expat_"), jansson_version_str());
}

void aws_find_certificates(void) {
        /* Fedora and Amazon Linux (two places of different age), Debian. */
        static const char *const bundles[] = {
                "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/pki/tls/certs/ca-bundle.crt",
                "/etc/ssl/certs/ca-certificates.crt",
        };
        bool knows = access(X509_get_default_cert_dir(), R_OK) == 0 || access(X509_get_default_cert_file(), R_OK) == 0 ||
                     getenv(X509_get_default_cert_file_env()) || getenv(X509_get_default_cert_dir_env());

        for (size_t i = 0; !knows && i < sizeof bundles / sizeof *bundles; i++) {
                knows = access(bundles[i], R_OK) == 0;
                if (knows)
                        setenv(X509_get_default_cert_file_env(), bundles[i], 1);
        }
}
