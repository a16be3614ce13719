/** What tools that build for development import instead; it is the same. */
export { Fragment, jsx as jsxDEV, type JSX } from "./jsx-runtime";
