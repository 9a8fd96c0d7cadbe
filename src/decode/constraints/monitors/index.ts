/** Monitors: what an analyser knows of a text limits how it goes on while it is being written. */
export { ArgumentMonitor, type ArgumentMonitorOptions, type Arity, type ArityAnalyser } from "./argument-monitor.ts";
export {
  type CodeMode,
  type CodePlace,
  codeStart,
  missingClosers,
  type OpenFrame,
  openFrames,
  scanCode,
  stepPlace,
} from "./code-scanner.ts";
export type { IdentifierPart } from "./member-mask.ts";
export { isIdentifierPart, type MemberAnalyser, MemberMonitor, type MemberMonitorOptions } from "./member-monitor.ts";
export type {
  Monitor,
  MonitoredText,
  MonitorOptions,
  MonitorState,
  MonitorStatistics,
  MonitorTrigger,
} from "./monitor.ts";
export { MonitorConstraint, type MonitoredPlace } from "./monitor-constraint.ts";
export {
  type CodeDiagnostic,
  type TypeScriptModule,
  TypeScriptProject,
  type TypeScriptProjectOptions,
} from "./typescript-project.ts";
