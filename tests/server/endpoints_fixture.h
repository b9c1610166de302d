// The endpoints as tests ask them: Ask() waits for the one answer.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/socketless_server.h"

namespace rapport {

struct Answered {
  int status = 0;
  std::string content_type, body;
  nlohmann::json json;  // discarded when the body is none
  std::string detail() const { return json.is_object() ? json.value("detail", "") : ""; }
};

// "PUT /v1/items" with a body: what a test sends.
struct Sent {
  std::string method, target, body = {};
  std::string key = {};      // empty: the operator's
  std::string visitor = {};  // of a browser key
  bool no_key = false;
};

class EndpointsTest : public ::testing::Test, protected SocketlessServer {
 protected:
  explicit EndpointsTest(EngineOptions options = {}) : SocketlessServer(std::move(options)) {}

  static uint8_t Bits(std::initializer_list<Scope> scopes) {
    unsigned bits = 0;
    for (const Scope scope : scopes) bits |= 1u << static_cast<unsigned>(scope);
    return static_cast<uint8_t>(bits);
  }

  Answered Ask(const Sent& sent) {
    Request request = NewRequest();
    if (!sent.no_key) {
      request.headers.emplace_back("authorization", "Bearer " + (sent.key.empty() ? operator_key_ : sent.key));
    }
    if (!sent.visitor.empty()) request.headers.emplace_back("x-rapport-visitor", sent.visitor);
    const Admission admission = gate_->Admit(sent.method, sent.target, request);
    const Response response = Answer(admission, std::move(request), sent.body);
    Answered out{response.status, response.content_type, response.body, {}};
    out.json = nlohmann::json::parse(response.body, nullptr, false);
    return out;
  }
  Answered Get(const std::string& target) { return Ask({"GET", target}); }
  Answered Post(const std::string& target, const std::string& body) { return Ask({"POST", target, body}); }
  Answered Put(const std::string& target, const std::string& body) { return Ask({"PUT", target, body}); }

  std::vector<std::string> ItemIds(const Answered& answered) {
    std::vector<std::string> ids;
    if (answered.json.contains("items")) {
      for (const auto& item : answered.json["items"]) ids.push_back(item["itemId"]);
    }
    return ids;
  }
};

}  // namespace rapport
