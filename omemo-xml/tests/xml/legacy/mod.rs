//! The XML of `eu.siacs.conversations.axolotl`, case by case. `wire_note_NN` are the habits of deployed clients, as they are
//! counted in this project.

mod bundle;
mod device_list;
mod encrypted;
mod round_trip;
