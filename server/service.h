// Everything that `rapport serve` is, put together in the order in which it must come up and go down:
// store -> engine -> training -> keys -> routes -> HTTP server.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "server/config.h"
#include "server/log.h"

namespace rapport {

// Owns all of it. Start and Stop belong to one thread. `log` and `clock` must outlive it.
class Service {
 public:
  // Opens the store (making it when there is none), writes DATA/operator.key when there is none that works, listens,
  // and writes DATA/server.json, by which commands find us. The errors of each step, as they are.
  static Result<std::unique_ptr<Service>> Start(const std::string& folder, const Config& config, Log& log,
                                                const Clock& clock);
  ~Service();  // Stop

  // Finishes what was accepted (within config.stop_timeout_ms), ends training, closes the store. False: some had to be
  // cut off.
  bool Stop();
  enum class Why { kAsked /* SIGHUP */, kLook /* every few seconds */ };
  // Takes up what changed on the disk without a restart: the certificate and the signing secrets. Says in the log what
  // it did.
  void Reload(Why why);
  uint16_t port() const;
  const RouteTable& routes() const;  // for the test that walks it

 private:
  Service();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rapport
