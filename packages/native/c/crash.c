#define _GNU_SOURCE
#include "crash.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

__thread const void *running;

static const struct {
  int number;
  const char *name;
} SIGNALS[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGILL, "SIGILL"}, {SIGFPE, "SIGFPE"}};
enum { SIGNAL_COUNT = sizeof SIGNALS / sizeof *SIGNALS };

static struct sigaction before[SIGNAL_COUNT];

// A line in memory of fixed size: a handler of signals may not allocate or print.
typedef struct {
  char text[1024];
  size_t length;
} Line;

static void put(Line *line, const char *text) {
  const size_t room = sizeof line->text - line->length, length = strlen(text), taken = length < room ? length : room;
  memcpy(line->text + line->length, text, taken);
  line->length += taken;
}

static void put_number(Line *line, long number) {
  char digits[24];
  size_t at = sizeof digits - 1;
  digits[at] = 0;
  do digits[--at] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  put(line, digits + at);
}

// "maestro: SIGSEGV in the native operator LinearF32 of [4,8], [2,8], [2] on avx2"
static void tell(const Call *call, const char *signal) {
  Line line = {.length = 0};
  put(&line, "\nmaestro: ");
  put(&line, signal);
  put(&line, " in the native operator ");
  put(&line, call->operator->name);
  put(&line, " of ");
  for (int i = 0; i < call->inputs; i++) {
    put(&line, i > 0 ? ", [" : "[");
    for (int k = 0; k < call->in[i].axes; k++) {
      if (k > 0) put(&line, ",");
      put_number(&line, call->in[i].dims[k]);
    }
    put(&line, "]");
  }
  put(&line, " on ");
  put(&line, call->kernels->name);
  put(&line, "\n");
  if (write(STDERR_FILENO, line.text, line.length) < 0) return;
}

static void handle(int number, siginfo_t *info, void *context) {
  int i = 0;
  while (i + 1 < SIGNAL_COUNT && SIGNALS[i].number != number) i++;
  if (running == NULL) {
    // Not ours: Node's engine takes faults of WebAssembly for itself.
    if (before[i].sa_flags & SA_SIGINFO) before[i].sa_sigaction(number, info, context);
    else if (before[i].sa_handler == SIG_DFL) signal(number, SIG_DFL), raise(number);
    else if (before[i].sa_handler != SIG_IGN) before[i].sa_handler(number);
    return;
  }
  tell(running, SIGNALS[i].name);
  signal(number, SIG_DFL);
  raise(number);
}

static void watch(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < SIGNAL_COUNT; i++) sigaction(SIGNALS[i].number, &action, &before[i]);
}

EXPORT void maestro_watch_crashes(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch);
}
