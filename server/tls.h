// The server's certificate: TLS 1.2 and 1.3 with forward secrecy and authenticated encryption, nothing older. A
// certificate is loaded as a whole or not at all, so a connection sees the old one or the new one. OpenSSL's wall in
// server/ is tls.cc; Asio's streams over it are in the transport and the client.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/time.h"

namespace rapport {

// PEM files: the certificate followed by its intermediates, and its private key without a password.
struct TlsFiles {
  std::string certificate, key;  // both empty: no TLS
  bool used() const { return !certificate.empty(); }
};

// Immutable, shared by the server and every connection that was accepted with it.
struct TlsContext {
  boost::asio::ssl::context context{boost::asio::ssl::context::tls_server};
  std::string certificate_sha256;  // of the certificate's DER form, lower-case hex
  Timestamp expires_at;
  std::string loaded_from;  // digest of the files' bytes: says whether they have changed
};

// kNotFound, kInvalidArgument: a file is missing, is not PEM, the two do not fit, or the key is too weak.
Result<std::shared_ptr<TlsContext>> LoadTls(const TlsFiles& files);
// Of both files' bytes, as in TlsContext::loaded_from; empty when one cannot be read.
std::string DigestOf(const TlsFiles& files);

// For a client on this machine that knows the certificate (server.json) instead of who signed it.
boost::asio::ssl::context MakePinningContext();
// Lower-case hex; empty without one. `ssl` is an SSL* after its handshake.
std::string PeerCertificateSha256(void* ssl);

}  // namespace rapport
