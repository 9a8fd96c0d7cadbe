/**
 * ONNX Runtime's reports to its maker, which this library does not want. From 1.29 on they are made on Linux and macOS, too,
 * and matching the command line against patterns for them overflows the stack when a prompt of 20 kB is an argument.
 */

/**
 * Switches them off unless the user's environment says otherwise. To be called before ONNX Runtime is loaded, and in the
 * main thread: what a worker writes to its environment stays in JavaScript.
 */
export function disableOrtTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ||= "1";
}
