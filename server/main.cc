// Thin on purpose: everything is in server/commands.
#include <unistd.h>

#include <cstdio>

#include "server/commands/command.h"

int main(int argc, char** argv) {
  const rapport::SystemClock clock;
  rapport::Terminal terminal{stdout, stderr, clock, ::isatty(STDERR_FILENO) == 1};
  return rapport::RunCommandLine(argc, argv, terminal);
}
