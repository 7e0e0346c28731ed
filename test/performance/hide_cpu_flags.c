/* Hides flags of the processor from this process: Linux on x86-64 with CPUID faulting.
 *
 * cpu_kinds.py builds and loads it. After hide_flags() each CPUID instruction of this thread, and
 * of those that it starts, traps; the handler executes it and clears what is to be hidden. What
 * was asked before (by the C library at its start) stays known.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

struct flags {
  uint32_t leaf, subleaf, place, bits; /* place: 0 EAX, 1 EBX, 2 ECX, 3 EDX */
};

static const int registers[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX};
static struct flags hidden[64];
static int hidden_count;

static long trap_cpuid(int on) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, !on); }

static void on_fault(int number, siginfo_t *info, void *context) {
  (void)info;
  greg_t *at = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (memcmp((void *)at[REG_RIP], "\x0f\xa2", 2) != 0) { /* not CPUID: a real fault, as ever */
    signal(number, SIG_DFL);
    return;
  }
  uint32_t leaf = at[REG_RAX], subleaf = at[REG_RCX], found[4];
  trap_cpuid(0);
  __cpuid_count(leaf, subleaf, found[0], found[1], found[2], found[3]);
  trap_cpuid(1);
  for (int i = 0; i < hidden_count; i++)
    if (hidden[i].leaf == leaf && hidden[i].subleaf == subleaf)
      found[hidden[i].place] &= ~hidden[i].bits;
  for (int i = 0; i < 4; i++) at[registers[i]] = found[i];
  at[REG_RIP] += 2;
}

/* Hide these flags from now on; return 0, or -1 where there is no CPUID faulting. */
int hide_flags(const struct flags *flags, int count) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  if (count < 0 || count > (int)(sizeof hidden / sizeof *hidden)) return -1;
  memcpy(hidden, flags, count * sizeof *flags);
  hidden_count = count;
  if (sigaction(SIGSEGV, &action, NULL) != 0) return -1;
  return trap_cpuid(1) == 0 ? 0 : -1;
}
