// A bundler gives a dynamic import of a CommonJS package a default export alone; through this module it has its names.
export { Message, systemBus } from "dbus-next"
