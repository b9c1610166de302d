#include "server/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/buffer.hpp>
#include <cstring>

#include "base/crypto.h"
#include "base/file.h"

namespace rapport {

namespace {

constexpr uint64_t kPemBytesMax = 1u << 20;
constexpr int kSecurityLevel = 2;  // RSA from 2048 bits, elliptic curves from 224
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

std::string_view AsView(const Digest256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string Fingerprint(X509* certificate) {
  unsigned char* der = nullptr;
  const int length = certificate == nullptr ? -1 : i2d_X509(certificate, &der);
  if (length < 0) return {};
  const std::string hex = ToHex(AsView(Sha256({reinterpret_cast<const char*>(der), static_cast<size_t>(length)})));
  OPENSSL_free(der);
  return hex;
}

Timestamp ExpiryOf(X509* certificate) {
  std::tm civil{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &civil) != 1) return {};
  return Timestamp{static_cast<int64_t>(timegm(&civil)) * kSecondMs};
}

// Takes http/1.1 from a client's list; one that offers only others goes on without a choice and is answered in
// HTTP/1.1.
int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
                   unsigned int offered_length, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kHttp11, sizeof(kHttp11), offered, offered_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::string DigestOfBytes(const std::string& certificate, const std::string& key) {
  return std::string(AsView(Sha256(certificate))) + std::string(AsView(Sha256(key)));
}

void Restrict(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);  // an idle connection keeps no buffers
  SSL_CTX_set_cipher_list(context, kTls12Ciphers);
  SSL_CTX_set_security_level(context, kSecurityLevel);
  SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);
}

}  // namespace

Result<std::shared_ptr<TlsContext>> LoadTls(const TlsFiles& files) {
  const Result<std::string> certificate = ReadFile(files.certificate, kPemBytesMax);
  if (!certificate.ok()) return Status(certificate.status().code(), "certificate: " + certificate.status().message());
  const Result<std::string> key = ReadFile(files.key, kPemBytesMax);
  if (!key.ok()) return Status(key.status().code(), "private key: " + key.status().message());
  auto tls = std::make_shared<TlsContext>();
  SSL_CTX* const native = tls->context.native_handle();
  Restrict(native);
  boost::system::error_code error;
  tls->context.use_certificate_chain(boost::asio::buffer(*certificate), error);
  if (error) {
    return Status::InvalidArgument("certificate " + files.certificate + ": " + error.message() +
                                   "; it must be PEM, the server's certificate first");
  }
  tls->context.use_private_key(boost::asio::buffer(*key), boost::asio::ssl::context::pem, error);
  if (error || SSL_CTX_check_private_key(native) != 1) {
    ERR_clear_error();
    return Status::InvalidArgument("private key " + files.key +
                                   " is not the certificate's, or is no PEM without a password");
  }
  X509* const own = SSL_CTX_get0_certificate(native);
  tls->certificate_sha256 = Fingerprint(own);
  tls->expires_at = ExpiryOf(own);
  tls->loaded_from = DigestOfBytes(*certificate, *key);
  return tls;
}

std::string DigestOf(const TlsFiles& files) {
  const Result<std::string> certificate = ReadFile(files.certificate, kPemBytesMax);
  const Result<std::string> key = ReadFile(files.key, kPemBytesMax);
  return certificate.ok() && key.ok() ? DigestOfBytes(*certificate, *key) : std::string();
}

boost::asio::ssl::context MakePinningContext() {
  boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  return context;
}

std::string PeerCertificateSha256(void* ssl) {
  X509* const certificate = SSL_get1_peer_certificate(static_cast<SSL*>(ssl));
  const std::string fingerprint = Fingerprint(certificate);
  X509_free(certificate);
  return fingerprint;
}

}  // namespace rapport
