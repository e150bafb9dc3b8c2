// ISA-L as a bench peer. Reads lines "operation k n length rounds", answers with the CPU seconds that all rounds took.
// Operations: encode, decode (the first data pieces lost, parity used), rebuild (data piece 0 from pieces 1..k).
// With the argument "avx2" it calls the 256-bit functions, else what the library picks for this machine.
#include <isa-l/erasure_code.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PIECES_MAX 512
#define SPACING 192

extern void ec_encode_data_avx2(int, int, int, unsigned char *, unsigned char **, unsigned char **);

static double cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

/* Rows that give the `lost` first data pieces from columns lost .. lost + k - 1. */
static int decode_rows(const unsigned char *generator, int k, int lost, unsigned char *rows) {
  unsigned char *square = malloc(k * k), *inverted = malloc(k * k);
  memcpy(square, generator + lost * k, k * k);
  int failed = gf_invert_matrix(square, inverted, k);
  memcpy(rows, inverted, lost * k);
  free(square);
  free(inverted);
  return failed;
}

int main(int argc, char **argv) {
  int is_avx2 = argc > 1 && strcmp(argv[1], "avx2") == 0;
  char operation[16];
  int k, n, length, rounds;
  printf("ready\n");
  fflush(stdout);
  while (scanf("%15s %d %d %d %d", operation, &k, &n, &length, &rounds) == 5) {
    int parity = n - k, lost = operation[0] == 'd' ? (parity < k ? parity : k) : 1;
    unsigned char *generator = malloc(n * k), *rows = malloc(n * k), *tables = malloc(32 * n * k);
    unsigned char *memory = aligned_alloc(64, (size_t)(n + k) * (length + SPACING));
    unsigned char *sources[PIECES_MAX], *targets[PIECES_MAX];
    for (size_t at = 0; at < (size_t)(n + k) * (length + SPACING); at++) memory[at] = at * 2654435761u >> 24;
    gf_gen_cauchy1_matrix(generator, n, k);
    int is_encode = operation[0] == 'e', count = is_encode ? parity : lost;
    if (is_encode) memcpy(rows, generator + k * k, parity * k);
    else if (decode_rows(generator, k, lost, rows)) return 1;
    for (int j = 0; j < k; j++) sources[j] = memory + (size_t)(is_encode ? j : j + lost) * (length + SPACING);
    for (int t = 0; t < count; t++) targets[t] = memory + (size_t)((is_encode ? k : n) + t) * (length + SPACING);
    ec_init_tables(k, count, rows, tables);
    double start = cpu_seconds();
    for (int round = 0; round < rounds; round++) {
      if (is_avx2) ec_encode_data_avx2(length, k, count, tables, sources, targets);
      else ec_encode_data(length, k, count, tables, sources, targets);
    }
    printf("%.9f\n", cpu_seconds() - start);
    fflush(stdout);
    free(memory);
    free(tables);
    free(rows);
    free(generator);
  }
  return 0;
}
