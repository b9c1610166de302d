// Everything that reads bytes from outside, as functions that take any bytes and must come back: no crash, no sanitizer
// finding, no broken promise (a promise that is broken aborts). Run two ways: tests/fuzz/replay_test.cc over the
// committed seeds and mutations of them, in every test run; and by libFuzzer (scripts/fuzz), where clang is there. Each
// stands in a file of its name: libFuzzer looks at every edge that is linked after each execution, so that a program
// holds what its target needs and no more.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

namespace rapport::fuzz {

struct Target {
  const char* name;  // also the folder of its seeds: tests/fuzz/seeds/NAME
  void (*run)(std::string_view bytes);
};
std::span<const Target> Targets();

inline void Promise(bool kept, const char* what) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

// A request head, then a chunked body: whole and in pieces give the same verdict.
void HttpHead(std::string_view bytes);
// "METHOD target\n" and a body, through the gate and the handler of its route on a real store: never 5xx but 503.
void JsonBody(std::string_view bytes);
// The filter language: what parses says the same for every item, twice.
void FilterText(std::string_view bytes);
// A mapping, a zero byte, a CSV file: each row a record or a reason.
void CsvAndMapping(std::string_view bytes);
// A model file, as it is and with its checksum made right: what is read is sound, and written again reads the same.
void ModelFile(std::string_view bytes);
// Keys, visitor tokens, impressions, cursors, sealed questions: none of them made by us, so none is believed.
void Tokens(std::string_view bytes);

}  // namespace rapport::fuzz
