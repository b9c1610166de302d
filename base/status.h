// Errors as values: Status says what went wrong and what to do, Result<T> is a value or a Status.
// Exceptions never cross a room; they are caught at the JSON and coroutine seams and become a Status.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace rapport {

// Persisted nowhere; server/http maps each code to one HTTP status.
enum class StatusCode {
  kOk,
  kInvalidArgument,  // the caller must change the request
  kNotFound,
  kAlreadyExists,
  kPermissionDenied,
  kUnauthenticated,
  kResourceExhausted,   // a limit is reached: try later, or with less
  kUnavailable,         // not now: starting, stopping, disk refuses writes
  kDataLoss,            // bytes on disk are not what was written
  kFailedPrecondition,  // the state of the system forbids it; says what to do first
  kInternal,
};

const char* StatusCodeName(StatusCode code);

// Immutable value; safe to copy between threads.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }
  static Status InvalidArgument(std::string m) { return {StatusCode::kInvalidArgument, std::move(m)}; }
  static Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
  static Status AlreadyExists(std::string m) { return {StatusCode::kAlreadyExists, std::move(m)}; }
  static Status ResourceExhausted(std::string m) { return {StatusCode::kResourceExhausted, std::move(m)}; }
  static Status Unavailable(std::string m) { return {StatusCode::kUnavailable, std::move(m)}; }
  static Status DataLoss(std::string m) { return {StatusCode::kDataLoss, std::move(m)}; }
  static Status FailedPrecondition(std::string m) { return {StatusCode::kFailedPrecondition, std::move(m)}; }
  static Status Internal(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }
  // "invalid argument: price is not a number"; for people and logs.
  std::string ToString() const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

// A value, or the Status that says why there is none. REQUIRES ok() before value access.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit by design
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: implicit by design

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  T&& Take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace rapport

// Returns the Status of `expression` from the current function unless it is ok.
#define RAPPORT_RETURN_IF_ERROR(expression)            \
  do {                                                 \
    ::rapport::Status rapport_status_ = (expression);  \
    if (!rapport_status_.ok()) return rapport_status_; \
  } while (false)
