/** The OpenAI-compatible server: routes for any host, and a listener for Node. */
export { loopbackNames } from "./access.ts";
export { ApiError, type ApiErrorDetails, type ErrorBody, type ErrorStatus } from "./api-error.ts";
export { type App, createApp } from "./app.ts";
export { type RunningServer, type ServeOptions, startServer } from "./listen.ts";
export type { SamplingDefaults } from "./sampling.ts";
export type { Answered, AppOptions, OpenVisit, ServerState, Visit } from "./state.ts";
