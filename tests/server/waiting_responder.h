// A handler's client in tests: waits for the one answer, and lends its own thread as the worker on which a handler goes
// on after it waited for the disk.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "server/http_message.h"

namespace rapport {

// Thread-safe; Wait belongs to one thread.
class WaitingResponder final : public Responder::Target {
 public:
  void Answer(Response response) override {
    std::lock_guard hold(mutex_);
    response_ = std::move(response);
    changed_.notify_one();
  }
  void Continue(std::function<void()> work, std::function<void()> /*refuse*/) override {
    std::lock_guard hold(mutex_);
    works_.push_back(std::move(work));
    changed_.notify_one();
  }
  Response Wait() {
    std::unique_lock hold(mutex_);
    for (;;) {
      changed_.wait(hold, [this] { return response_ || !works_.empty(); });
      if (works_.empty()) return std::move(*response_);
      std::function<void()> work = std::move(works_.front());
      works_.pop_front();
      hold.unlock();
      work();
      work = nullptr;
      hold.lock();
    }
  }

 private:
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::optional<Response> response_;
  std::deque<std::function<void()>> works_;
};

}  // namespace rapport
