// How a command reaches the store, also while a server holds it.
//
//   nobody holds it: opened here, with its lock.
//   a server does:   DATA/server.json says where it listens, DATA/operator.key lets us in. Reading works on a
//   checkpoint
//                    that the server makes (removed afterwards), writing sends operations to POST /v1/admin/apply.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/operations.h"
#include "data/store.h"
#include "server/http_client.h"

namespace rapport {

enum class StorePurpose {
  kRead,   // store() afterwards
  kWrite,  // sink() afterwards
};

// One owner, one thread. Closes the store, or gives the checkpoint back, when destroyed.
class StoreSession {
 public:
  // The Store's errors as they are; when another process holds it and is no server that we can talk to, its
  // kUnavailable with what to do. `options.create_if_missing` should be false for kRead.
  static Result<std::unique_ptr<StoreSession>> Open(const std::string& folder, StorePurpose purpose,
                                                    const StoreOptions& options);
  ~StoreSession();

  const Store& store() const;         // REQUIRES kRead: the store, or the checkpoint
  Store& store();                     // likewise; a checkpoint refuses writes
  OperationSink& sink();              // REQUIRES kWrite: durable when it answers
  Store* local();                     // null while a server holds it
  HttpClient* server();               // null when nobody holds it
  std::string models_folder() const;  // of the live store, never the checkpoint's

 private:
  StoreSession();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Options for a command that only reads.
StoreOptions ReadingStoreOptions();

// DATA/server.json and DATA/operator.key.
std::string ServerFile(const std::string& folder);
std::string OperatorKeyFile(const std::string& folder);

}  // namespace rapport
