package ramback.bench;

/**
 * What one run of fio measured.
 *
 * @param requestsPerSecond requests finished a second
 * @param bytesPerSecond their payload
 * @param p50Nanos half of the requests took at most this long, from submission to completion
 * @param p99Nanos 99 % did
 * @param p999Nanos 99.9 % did
 */
record Measurement(double requestsPerSecond, double bytesPerSecond, long p50Nanos, long p99Nanos, long p999Nanos) {}
